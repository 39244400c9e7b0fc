import { isIP } from "node:net";
import { FastifyInstance } from "fastify";
import { FirewallRule } from "../host/spec";
import { Action, Firewall, FirewallTarget } from "../state";
import { ActionTarget } from "./actions";
import { Lab } from "./context";
import { ApiError, notFound, notUnique } from "./errors";
import { Input } from "./input";
import { listing, matchesSelector, Query } from "./listing";

const maxRules = 50;

/** True for a network in CIDR form without host bits, as the API wants it. */
export function isNetwork(text: string): boolean {
  const [address = "", length = "", ...rest] = text.split("/");
  const version = isIP(address);
  if (rest.length > 0 || version === 0 || !/^\d{1,3}$/.test(length) || Number(length) > (version === 4 ? 32 : 128)) {
    return false;
  }
  return !hasHostBits(address, version === 4 ? 32 : 128, Number(length));
}

function hasHostBits(address: string, size: number, length: number): boolean {
  const value = size === 32 ? groups(address.split("."), 10, 8) : groups(expand6(address), 16, 16);
  return (value & ((1n << BigInt(size - length)) - 1n)) !== 0n;
}

function groups(parts: readonly string[], base: number, bits: number): bigint {
  return parts.reduce((sum, part) => (sum << BigInt(bits)) | BigInt(parseInt(part, base)), 0n);
}

function expand6(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const split = (text: string): string[] => (text === "" ? [] : text.split(":"));
  if (tail === undefined) {
    return split(head);
  }
  const missing = 8 - split(head).length - split(tail).length;
  return [...split(head), ...Array<string>(missing).fill("0"), ...split(tail)];
}

function isPort(text: string): boolean {
  if (text === "any") {
    return true;
  }
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  return first !== undefined && Number(first) >= 1 && Number(last) <= 65535 && Number(first) <= Number(last);
}

function readRule(input: Input): FirewallRule {
  const direction = input.choice("direction", ["in", "out"]);
  const protocol = input.choice("protocol", ["tcp", "udp", "icmp", "esp", "gre"]);
  const port = input.text("port");
  const sources = input.texts("source_ips");
  const destinations = input.texts("destination_ips");
  if (direction === undefined) {
    input.reject("direction", "must be in or out");
  }
  if (protocol === undefined) {
    input.reject("protocol", "must be one of tcp, udp, icmp, esp, gre");
  }
  const hasPorts = protocol === "tcp" || protocol === "udp";
  if (hasPorts && port === undefined) {
    input.reject("port", `is required for ${protocol}`);
  } else if (!hasPorts && port !== undefined) {
    input.reject("port", "is for tcp and udp only");
  } else if (port !== undefined && !isPort(port)) {
    input.reject("port", `'${port}' is not a port, a range such as 80-85, or any`);
  }
  const [field, addresses] = direction === "out" ? ["destination_ips", destinations] : ["source_ips", sources];
  if (addresses.length === 0) {
    input.reject(field, "must name at least one network");
  }
  for (const address of [...sources, ...destinations].filter((text) => !isNetwork(text))) {
    input.reject(field, `'${address}' is not a network in CIDR notation`);
  }
  return {
    direction: direction ?? "in",
    protocol: protocol ?? "tcp",
    port: port ?? null,
    source_ips: sources,
    destination_ips: destinations,
    description: input.text("description") ?? null,
  };
}

function readRules(input: Input): FirewallRule[] | undefined {
  const rules = input.objects("rules", readRule);
  if (rules !== undefined && rules.length > maxRules) {
    input.reject("rules", `must not be more than ${String(maxRules)}`);
  }
  return rules;
}

function readTargets(lab: Lab, input: Input, field: string): FirewallTarget[] {
  const read = (target: Input): FirewallTarget => {
    const type = target.choice("type", ["server", "label_selector"]) ?? "server";
    if (type === "server") {
      return { type, server: target.object("server", (server) => server.requiredId("id")) ?? 0 };
    }
    const selector = target.object("label_selector", (inner) => inner.requiredText("selector")) ?? "";
    matchesSelector(selector, {});
    return { type, selector };
  };
  const targets = input.objects(field, read) ?? [];
  input.check();
  for (const target of targets) {
    if (target.type === "server" && !lab.store.state.servers.some((server) => server.id === target.server)) {
      throw new ApiError(404, "firewall_resource_not_found", `server ${String(target.server)} not found`);
    }
  }
  return targets;
}

const sameTarget = (a: FirewallTarget) => (b: FirewallTarget) => JSON.stringify(a) === JSON.stringify(b);

function showFirewall(lab: Lab, firewall: Firewall): object {
  const { id, name, labels, created, rules } = firewall;
  const applied_to = firewall.targets.map((target) =>
    target.type === "server"
      ? { type: target.type, server: { id: target.server } }
      : {
          type: target.type,
          label_selector: { selector: target.selector },
          applied_to_resources: lab.store.state.servers
            .filter((server) => matchesSelector(target.selector, server.labels))
            .map((server) => ({ type: "server", server: { id: server.id } })),
        },
  );
  return { id, name, labels, created, rules, applied_to };
}

/** Attaches firewalls that a new server is created with. */
export function firewallById(lab: Lab, id: number | string): Firewall {
  const firewall = lab.store.state.firewalls.find((candidate) => String(candidate.id) === String(id));
  if (firewall === undefined) {
    throw notFound("firewall", id);
  }
  return firewall;
}

/** `/firewalls` */
export function firewallRoutes(app: FastifyInstance, lab: Lab): void {
  const { firewalls } = lab.store.state;
  const checkName = (name: string, own?: Firewall): void => {
    if (firewalls.some((firewall) => firewall.name === name && firewall !== own)) {
      throw notUnique("name", "Firewall name is already used");
    }
  };
  const act = (firewall: Firewall, command: string, servers: readonly number[]): Action => {
    const targets: ActionTarget[] = [{ id: firewall.id, type: "firewall" }];
    return lab.actions.start(
      command,
      [...targets, ...servers.map((id): ActionTarget => ({ id, type: "server" }))],
      () => lab.applyFilter(),
    );
  };
  const attach = (firewall: Firewall, targets: readonly FirewallTarget[]): Action[] => {
    for (const target of targets) {
      if (firewall.targets.some(sameTarget(target))) {
        throw new ApiError(409, "firewall_already_applied", "firewall is already applied to this resource");
      }
      firewall.targets.push(target);
    }
    return targets.map((target) => act(firewall, "apply_firewall", target.type === "server" ? [target.server] : []));
  };

  app.get<{ Querystring: Query }>("/firewalls", ({ query }) =>
    listing("firewalls", firewalls, query, (firewall) => showFirewall(lab, firewall)),
  );

  app.get<{ Params: { id: string } }>("/firewalls/:id", ({ params }) => ({
    firewall: showFirewall(lab, firewallById(lab, params.id)),
  }));

  app.post("/firewalls", (request, reply) => {
    const input = new Input(request.body);
    const name = input.requiredText("name");
    const labels = input.labels() ?? {};
    const rules = readRules(input) ?? [];
    const targets = readTargets(lab, input, "apply_to");
    checkName(name);
    const firewall: Firewall = {
      id: lab.store.newId(),
      name,
      labels,
      rules,
      targets: [],
      created: new Date().toISOString(),
    };
    firewalls.push(firewall);
    const actions = [act(firewall, "set_firewall_rules", []), ...attach(firewall, targets)];
    return reply.code(201).send({ firewall: showFirewall(lab, firewall), actions });
  });

  app.put<{ Params: { id: string } }>("/firewalls/:id", ({ params, body }) => {
    const firewall = firewallById(lab, params.id);
    const input = new Input(body);
    const name = input.text("name");
    const labels = input.labels();
    input.check();
    if (name !== undefined && name !== "") {
      checkName(name, firewall);
      firewall.name = name;
    }
    firewall.labels = labels ?? firewall.labels;
    return { firewall: showFirewall(lab, firewall) };
  });

  app.delete<{ Params: { id: string } }>("/firewalls/:id", ({ params }, reply) => {
    const firewall = firewallById(lab, params.id);
    if (firewall.targets.length > 0) {
      throw new ApiError(409, "resource_in_use", `firewall ${params.id} is still in use: remove it from its resources`);
    }
    firewalls.splice(firewalls.indexOf(firewall), 1);
    return reply.code(204).send();
  });

  app.post<{ Params: { id: string } }>("/firewalls/:id/actions/set_rules", ({ params, body }, reply) => {
    const firewall = firewallById(lab, params.id);
    const input = new Input(body);
    const rules = readRules(input);
    input.check();
    firewall.rules = rules ?? [];
    const servers = lab.serversOf(firewall).map(({ id }) => id);
    return reply.code(201).send({ actions: [act(firewall, "set_firewall_rules", servers)] });
  });

  app.post<{ Params: { id: string } }>("/firewalls/:id/actions/apply_to_resources", ({ params, body }, reply) => {
    const firewall = firewallById(lab, params.id);
    return reply.code(201).send({ actions: attach(firewall, readTargets(lab, new Input(body), "apply_to")) });
  });

  app.post<{ Params: { id: string } }>("/firewalls/:id/actions/remove_from_resources", ({ params, body }, reply) => {
    const firewall = firewallById(lab, params.id);
    const targets = readTargets(lab, new Input(body), "remove_from");
    for (const target of targets) {
      if (!firewall.targets.some(sameTarget(target))) {
        throw new ApiError(404, "firewall_resource_not_found", "firewall is not applied to this resource");
      }
    }
    firewall.targets = firewall.targets.filter((target) => !targets.some(sameTarget(target)));
    const actions = targets.map((target) =>
      act(firewall, "remove_firewall", target.type === "server" ? [target.server] : []),
    );
    return reply.code(201).send({ actions });
  });
}
