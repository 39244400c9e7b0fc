import { randomBytes } from "node:crypto";
import { FastifyInstance } from "fastify";
import { Action, PrimaryIp, Server } from "../state";
import { findByReference, locations, ServerType, serverTypes } from "./catalog";
import { Lab } from "./context";
import { ApiError, isProtected, notUnique } from "./errors";
import { firewallById } from "./firewalls";
import { checkSource, DiskSource, diskOf, pruneSnapshots, sourceFor } from "./images";
import { Input } from "./input";
import { listing, Query, queryValues } from "./listing";
import { allocate, primaryIpById } from "./primaryIps";
import { serverById, showServer } from "./serverView";

const maxUserData = 32 * 1024;
const hostname = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*$/;
const labArchitecture = process.arch === "arm64" ? "arm" : "x86";

/** Checks user_data by the provider's limit. */
export function checkUserData(input: Input, field: string): string | undefined {
  const text = input.text(field);
  if (text !== undefined && Buffer.byteLength(text) > maxUserData) {
    input.reject(field, `must not be longer than ${String(maxUserData)} bytes`);
  }
  return text;
}

/** Checks a server name: a valid host name that no other server has. */
export function checkServerName(lab: Lab, name: string, own?: Server): void {
  if (lab.store.state.servers.some((server) => server.name === name && server !== own)) {
    throw notUnique("name", "server name is already used");
  }
}

/** Notes a name that can't be a host name. */
export function checkHostname(input: Input, field: string, name: string): void {
  if (name !== "" && (!hostname.test(name) || name.length > 253)) {
    input.reject(field, "must be a valid hostname");
  }
}

interface AddressWish {
  readonly type: PrimaryIp["type"];
  readonly enabled: boolean;
  readonly id: number | undefined;
}

/** A request to create a server, checked. */
interface Wanted {
  readonly name: string;
  readonly type: ServerType;
  readonly image: DiskSource;
  readonly location: string;
  readonly sshKeys: readonly string[];
  readonly userData: string;
  readonly labels: Record<string, string>;
  readonly firewalls: readonly number[];
  readonly addresses: readonly AddressWish[];
  readonly start: boolean;
}

function readWanted(lab: Lab, body: unknown): Wanted {
  const input = new Input(body);
  const name = input.requiredText("name");
  checkHostname(input, "name", name);
  const typeReference = input.idOrName("server_type");
  const type = findByReference(serverTypes, typeReference);
  if (typeReference !== "" && type === undefined) {
    input.reject("server_type", `'${typeReference}' does not exist`);
  }
  const image = sourceFor(lab, input, input.idOrName("image"), type?.architecture);
  const place = input.text("location");
  const location = findByReference(locations, place ?? type?.locations[0] ?? "");
  if (location === undefined && type !== undefined) {
    input.reject("location", `'${place ?? ""}' does not exist`);
  }
  const keyIds = input.ids("ssh_keys");
  const keys = keyIds.map((id) => lab.store.state.sshKeys.find((key) => key.id === id));
  keys.forEach((key, index) => {
    if (key === undefined) {
      input.reject("ssh_keys", `SSH key ${String(keyIds[index])} does not exist`);
    }
  });
  const userData = checkUserData(input, "user_data") ?? "";
  const firewalls = input.objects("firewalls", (item) => item.requiredId("firewall")) ?? [];
  const addresses = input.object("public_net", readAddresses) ?? readAddresses(new Input({}));
  for (const absent of ["volumes", "networks"]) {
    if (input.ids(absent).length > 0) {
      input.reject(absent, "the lab does not emulate these");
    }
  }
  const wanted = {
    name,
    userData,
    firewalls,
    addresses,
    sshKeys: keys.map((key) => key?.public_key ?? ""),
    labels: input.labels() ?? {},
    start: input.flag("start_after_create") ?? true,
  };
  if (!addresses.some(({ enabled }) => enabled)) {
    input.reject("public_net", "a server without any address needs a private network, which the lab does not emulate");
  }
  input.check();
  if (type === undefined || image === undefined || location === undefined) {
    throw new Error("unreachable: the check above names what is missing");
  }
  return { ...wanted, type, image, location: location.name };
}

function readAddresses(input: Input): AddressWish[] {
  return (["ipv4", "ipv6"] as const).map((type) => ({
    type,
    enabled: input.flag(`enable_${type}`) ?? true,
    id: input.id(type),
  }));
}

/** Everything that can be wrong only in view of other resources. */
function checkAgainstLab(lab: Lab, wanted: Wanted): void {
  checkServerName(lab, wanted.name);
  if (wanted.type.deprecated) {
    throw new ApiError(422, "invalid_server_type", `server type ${wanted.type.name} is deprecated`);
  }
  if (!wanted.type.locations.includes(wanted.location)) {
    throw new ApiError(
      412,
      "resource_unavailable",
      `server type ${wanted.type.name} is not available in ${wanted.location}`,
    );
  }
  if (wanted.type.architecture !== labArchitecture) {
    const message = `the lab runs ${labArchitecture} hosts only, ${wanted.type.name} is ${wanted.type.architecture}`;
    throw new ApiError(412, "resource_unavailable", message);
  }
  checkSource(wanted.image, wanted.type.disk);
  wanted.firewalls.forEach((id) => firewallById(lab, id));
  for (const { id, type, enabled } of wanted.addresses) {
    if (enabled && id !== undefined) {
      const ip = primaryIpById(lab, id);
      if (ip.assignee !== null) {
        throw new ApiError(409, "primary_ip_assigned", `primary_ip ${String(id)} is already assigned to a server`);
      }
      if (ip.type !== type) {
        throw new ApiError(422, "primary_ip_version_mismatch", `primary_ip ${String(id)} is not an ${type} address`);
      }
      if (ip.location !== wanted.location) {
        throw new ApiError(422, "primary_ip_datacenter_mismatch", `primary_ip ${String(id)} is in ${ip.location}`);
      }
    }
  }
}

function giveAddresses(lab: Lab, server: Server, wanted: Wanted): void {
  for (const { id, type, enabled } of wanted.addresses) {
    if (enabled && id !== undefined) {
      primaryIpById(lab, id).assignee = server.id;
    } else if (enabled) {
      const name = `primary_ip-${String(server.id)}-${type}`;
      allocate(lab, { type, name, location: server.location, autoDelete: true, assignee: server.id });
    }
  }
}

/** A locally administered MAC address that is this server's alone in this lab. */
function macOf(lab: Lab, id: number): string {
  const octets = [0x02, 0x77, lab.instance.port & 0xff, (id >> 16) & 0xff, (id >> 8) & 0xff, id & 0xff];
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":");
}

function create(lab: Lab, wanted: Wanted): { server: Server; action: Action; next: Action[] } {
  const { base, layers } = diskOf(lab, wanted.image);
  const id = lab.store.newId();
  const server: Server = {
    id,
    name: wanted.name,
    status: "initializing",
    created: new Date().toISOString(),
    labels: wanted.labels,
    serverType: wanted.type.id,
    image: wanted.image.id,
    location: wanted.location,
    backupWindow: null,
    protection: { delete: false, rebuild: false },
    primaryDiskSize: wanted.type.disk,
    locked: true,
    mac: macOf(lab, id),
    base,
    sshKeys: [...wanted.sshKeys],
    userData: wanted.userData,
    layers,
    rootPassword: wanted.sshKeys.length === 0 ? randomBytes(15).toString("base64url") : null,
  };
  giveAddresses(lab, server, wanted);
  lab.store.state.servers.push(server);
  wanted.firewalls.forEach((firewall) => {
    firewallById(lab, firewall).targets.push({ type: "server", server: id });
  });
  const [action, ...next] = startActions(lab, server, wanted.start);
  return { server, action, next };
}

/** Two actions, as there: the disk first, then the boot. The lock lasts over both. */
function startActions(lab: Lab, server: Server, boot: boolean): [Action, ...Action[]] {
  const target = [{ id: server.id, type: "server" as const }];
  const settle = (status: Server["status"]): void => {
    server.status = status;
    server.locked = false;
  };
  const makeDisk = async (): Promise<void> => {
    try {
      await lab.driver.createDisk(lab.specOf(server));
      await lab.applyFilter();
    } catch (error) {
      settle("off");
      throw error;
    }
    if (!boot) {
      settle("off");
    }
  };
  const disk = makeDisk();
  const created = lab.actions.start("create_server", target, () => disk);
  if (!boot) {
    return [created];
  }
  const started = lab.actions.start("start_server", target, async (progress) => {
    await disk;
    try {
      server.status = "starting";
      progress(30);
      await lab.driver.powerOn(lab.specOf(server));
      settle("running");
    } catch (error) {
      settle("off");
      throw error;
    }
  });
  return [created, started];
}

function remove(lab: Lab, server: Server): Action {
  const { servers, primaryIps, firewalls } = lab.store.state;
  return lab.actions.onServer(server, "delete_server", async (progress) => {
    server.status = "deleting";
    await lab.driver.powerOff(server.id);
    progress(50);
    await lab.driver.removeDisk(server.id);
    servers.splice(servers.indexOf(server), 1);
    await pruneSnapshots(lab);
    for (const ip of primaryIps.filter(({ assignee }) => assignee === server.id)) {
      ip.assignee = null;
      if (ip.autoDelete) {
        primaryIps.splice(primaryIps.indexOf(ip), 1);
      }
    }
    for (const firewall of firewalls) {
      firewall.targets = firewall.targets.filter((target) => target.type !== "server" || target.server !== server.id);
    }
    await lab.applyFilter();
  });
}

/** `/servers`, without the actions on one. */
export function serverRoutes(app: FastifyInstance, lab: Lab): void {
  const { servers } = lab.store.state;

  app.get<{ Querystring: Query }>("/servers", ({ query }) => {
    const status = queryValues(query, "status");
    const found = servers.filter((server) => status.length === 0 || status.includes(server.status));
    return listing("servers", found, query, (server) => showServer(lab, server));
  });

  app.get<{ Params: { id: string } }>("/servers/:id", ({ params }) => ({
    server: showServer(lab, serverById(lab, params.id)),
  }));

  app.post("/servers", (request, reply) => {
    const wanted = readWanted(lab, request.body);
    checkAgainstLab(lab, wanted);
    const { server, action, next } = create(lab, wanted);
    const answer = { server: showServer(lab, server), action, next_actions: next, root_password: server.rootPassword };
    return reply.code(201).send(answer);
  });

  app.put<{ Params: { id: string } }>("/servers/:id", ({ params, body }) => {
    const server = serverById(lab, params.id);
    const input = new Input(body);
    const name = input.text("name") ?? "";
    checkHostname(input, "name", name);
    const labels = input.labels();
    input.check();
    if (name !== "") {
      checkServerName(lab, name, server);
      server.name = name;
    }
    server.labels = labels ?? server.labels;
    return { server: showServer(lab, server) };
  });

  app.delete<{ Params: { id: string } }>("/servers/:id", ({ params }) => {
    const server = serverById(lab, params.id);
    if (server.protection.delete) {
      throw isProtected(`server ${params.id}`);
    }
    return { action: remove(lab, server) };
  });
}
