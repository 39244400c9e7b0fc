import { FastifyInstance } from "fastify";
import { Action, Labels, PrimaryIp } from "../state";
import { findByReference, locations } from "./catalog";
import { Lab } from "./context";
import { ApiError, invalidInput, isProtected, notFound, notUnique } from "./errors";
import { Input } from "./input";
import { listing, Query, queryValues } from "./listing";

const firstHost = 10;
const lastHost = 250;

/** What a new address is made from. */
export interface NewAddress {
  readonly type: PrimaryIp["type"];
  readonly name: string;
  readonly location: string;
  readonly labels?: Labels;
  readonly autoDelete?: boolean;
  readonly assignee?: number;
}

/** Takes a free address of the lab's network. */
export function allocate(lab: Lab, wanted: NewAddress): PrimaryIp {
  const { primaryIps } = lab.store.state;
  if (primaryIps.some((ip) => ip.name === wanted.name)) {
    throw notUnique("name", "Primary IP name is already used");
  }
  const used = new Set(primaryIps.map(({ ip }) => ip));
  const { prefix4, prefix6 } = lab.instance;
  for (let host = firstHost; host <= lastHost; host += 1) {
    const ip = wanted.type === "ipv4" ? `${prefix4}.${String(host)}` : `${prefix6}:0:${host.toString(16)}::/64`;
    if (!used.has(ip)) {
      const { type, name, location, labels = {}, autoDelete = false, assignee = null } = wanted;
      const address: PrimaryIp = {
        id: lab.store.newId(),
        name,
        type,
        ip,
        location,
        labels,
        assignee,
        autoDelete,
        created: new Date().toISOString(),
        protection: { delete: false },
        dnsPtr: {},
      };
      primaryIps.push(address);
      return address;
    }
  }
  throw new ApiError(403, "resource_limit_exceeded", `the lab has no ${wanted.type} address left`);
}

/** Finds an address by its number. */
export function primaryIpById(lab: Lab, id: number | string): PrimaryIp {
  const found = lab.store.state.primaryIps.find((ip) => String(ip.id) === String(id));
  if (found === undefined) {
    throw notFound("primary_ip", id);
  }
  return found;
}

/** Reverse DNS in the API's form. */
export function showDnsPtr(ip: PrimaryIp): { ip: string; dns_ptr: string }[] {
  const own = ip.type === "ipv4" ? { [ip.ip]: `static.${ip.ip.split(".").reverse().join(".")}.lab.invalid` } : {};
  return Object.entries({ ...own, ...ip.dnsPtr }).map(([address, dns_ptr]) => ({ ip: address, dns_ptr }));
}

function showPrimaryIp(ip: PrimaryIp): object {
  return {
    id: ip.id,
    name: ip.name,
    ip: ip.ip,
    type: ip.type,
    labels: ip.labels,
    created: ip.created,
    assignee_id: ip.assignee,
    assignee_type: "server",
    auto_delete: ip.autoDelete,
    blocked: false,
    protection: ip.protection,
    dns_ptr: showDnsPtr(ip),
    location: findByReference(locations, ip.location),
  };
}

/** `/primary_ips` */
export function primaryIpRoutes(app: FastifyInstance, lab: Lab): void {
  const { primaryIps } = lab.store.state;
  const serverForAddress = (id: number, type: PrimaryIp["type"]): void => {
    const server = lab.store.state.servers.find((candidate) => candidate.id === id);
    if (server === undefined) {
      throw notFound("server", id);
    }
    if (server.status !== "off") {
      throw new ApiError(422, "server_not_stopped", `server ${String(id)} must be off to change its addresses`);
    }
    if (lab.addressOf(server, type) !== undefined) {
      throw new ApiError(422, `server_has_${type}`, `server ${String(id)} already has an ${type} address`);
    }
  };
  const act = (ip: PrimaryIp, command: string): Action =>
    lab.actions.start(command, [{ id: ip.id, type: "primary_ip" }], () => lab.applyFilter());

  app.get<{ Querystring: Query }>("/primary_ips", ({ query }) => {
    const ips = queryValues(query, "ip");
    const found = primaryIps.filter(
      ({ ip }) => ips.length === 0 || ips.includes(ip.replace(/\/64$/, "")) || ips.includes(ip),
    );
    return listing("primary_ips", found, query, showPrimaryIp);
  });

  app.get<{ Params: { id: string } }>("/primary_ips/:id", ({ params }) => ({
    primary_ip: showPrimaryIp(primaryIpById(lab, params.id)),
  }));

  app.post("/primary_ips", (request, reply) => {
    const input = new Input(request.body);
    const name = input.requiredText("name");
    const type = input.choice("type", ["ipv4", "ipv6"]);
    const assignee = input.id("assignee_id");
    const place = input.text("location");
    const labels = input.labels() ?? {};
    const autoDelete = input.flag("auto_delete") ?? false;
    input.choice("assignee_type", ["server"]);
    if (type === undefined) {
      input.reject("type", "must be ipv4 or ipv6");
    }
    if (place === undefined && assignee === undefined) {
      input.reject("location", "is required without assignee_id");
    }
    if (place !== undefined && findByReference(locations, place) === undefined) {
      input.reject("location", `'${place}' does not exist`);
    }
    input.check();
    const kind = type ?? "ipv4";
    if (assignee !== undefined) {
      serverForAddress(assignee, kind);
    }
    const server = lab.store.state.servers.find(({ id }) => id === assignee);
    const location = server?.location ?? findByReference(locations, place ?? "")?.name ?? "";
    const ip = allocate(lab, { name, type: kind, location, labels, autoDelete, ...(assignee && { assignee }) });
    const action = assignee === undefined ? null : act(ip, "assign_primary_ip");
    return reply.code(201).send({ primary_ip: showPrimaryIp(ip), action });
  });

  app.put<{ Params: { id: string } }>("/primary_ips/:id", ({ params, body }) => {
    const ip = primaryIpById(lab, params.id);
    const input = new Input(body);
    const name = input.text("name");
    const labels = input.labels();
    const autoDelete = input.flag("auto_delete");
    input.check();
    if (name !== undefined && name !== "" && name !== ip.name) {
      if (primaryIps.some((other) => other.name === name)) {
        throw notUnique("name", "Primary IP name is already used");
      }
      ip.name = name;
    }
    ip.labels = labels ?? ip.labels;
    ip.autoDelete = autoDelete ?? ip.autoDelete;
    return { primary_ip: showPrimaryIp(ip) };
  });

  app.delete<{ Params: { id: string } }>("/primary_ips/:id", ({ params }, reply) => {
    const ip = primaryIpById(lab, params.id);
    if (ip.protection.delete) {
      throw isProtected(`primary_ip ${params.id}`);
    }
    if (ip.assignee !== null) {
      throw new ApiError(
        422,
        "must_be_unassigned",
        `primary_ip ${params.id} is assigned to a server: unassign it first`,
      );
    }
    primaryIps.splice(primaryIps.indexOf(ip), 1);
    return reply.code(204).send();
  });

  app.post<{ Params: { id: string } }>("/primary_ips/:id/actions/assign", ({ params, body }, reply) => {
    const ip = primaryIpById(lab, params.id);
    const input = new Input(body);
    const assignee = input.requiredId("assignee_id");
    input.check();
    if (ip.assignee !== null) {
      throw new ApiError(409, "primary_ip_already_assigned", `primary_ip ${params.id} is already assigned`);
    }
    serverForAddress(assignee, ip.type);
    ip.assignee = assignee;
    return reply.code(201).send({ action: act(ip, "assign_primary_ip") });
  });

  app.post<{ Params: { id: string } }>("/primary_ips/:id/actions/unassign", ({ params }, reply) => {
    const ip = primaryIpById(lab, params.id);
    const server = lab.store.state.servers.find(({ id }) => id === ip.assignee);
    if (server === undefined) {
      throw invalidInput("id", "is not assigned");
    }
    if (server.status !== "off") {
      throw new ApiError(422, "server_not_stopped", `server ${String(server.id)} must be off to change its addresses`);
    }
    ip.assignee = null;
    return reply.code(201).send({ action: act(ip, "unassign_primary_ip") });
  });

  app.post<{ Params: { id: string } }>("/primary_ips/:id/actions/change_protection", ({ params, body }, reply) => {
    const ip = primaryIpById(lab, params.id);
    const input = new Input(body);
    const wanted = input.flag("delete");
    input.check();
    const action = lab.actions.instant("change_protection", [{ id: ip.id, type: "primary_ip" }], () => {
      ip.protection = { delete: wanted ?? ip.protection.delete };
    });
    return reply.code(201).send({ action });
  });

  app.post<{ Params: { id: string } }>("/primary_ips/:id/actions/change_dns_ptr", ({ params, body }, reply) => {
    const ip = primaryIpById(lab, params.id);
    const input = new Input(body);
    const address = input.requiredText("ip");
    const pointer = input.text("dns_ptr");
    input.check();
    const action = lab.actions.instant("change_dns_ptr", [{ id: ip.id, type: "primary_ip" }], () => {
      const others = Object.entries(ip.dnsPtr).filter(([known]) => known !== address);
      ip.dnsPtr = Object.fromEntries(pointer === undefined ? others : [...others, [address, pointer]]);
    });
    return reply.code(201).send({ action });
  });
}
