import { setTimeout as sleep } from "node:timers/promises";
import type { Fields, Failure } from "../rpc/fields";
import type { Context, Resource } from "../rpc/resource";
import { isList, isMap, same, text, type JsonMap, type Value, type ValueMap } from "../rpc/values";
import { ApiError, asList, isNotFound, type Action, type Api } from "./api";
import { autoName, canonical, checkLabels, inputsFrom, isNetwork, nameClashes, normalizeNetwork } from "./common";

const rule: Fields = {
  direction: { type: "string", required: true, oneOf: ["in", "out"] },
  protocol: { type: "string", required: true, oneOf: ["icmp", "tcp", "udp", "esp", "gre"] },
  port: { type: "string" },
  sourceIps: { type: "list", of: { type: "string" } },
  destinationIps: { type: "list", of: { type: "string" } },
  description: { type: "string" },
};

// A firewall that was just taken off its servers is in use for a moment longer.
const DELETE_TRIES = 10;

/** `hcloud.Firewall`. */
export function firewall(api: Api): Resource {
  const read = async (id: string): Promise<JsonMap | undefined> => {
    const found = await api.get("firewalls", "firewall", id);
    return found && outputsOf(found);
  };
  return {
    inputs: {
      name: { type: "string" },
      labels: { type: "map", of: { type: "string" }, computed: true },
      rules: { type: "list", of: { type: "object", fields: rule } },
      applyTos: { type: "any", uncovered: true, computed: true },
    },
    outputs: ["applyTos"],
    stable: [],
    canonical,
    check: (inputs, context) => [...autoName(inputs, context), ...checkLabels(inputs), ...checkRules(inputs["rules"])],
    deleteBeforeReplace: nameClashes,
    async create(inputs, context) {
      const { name = null, labels } = inputs;
      const body = { name, rules: rulesOf(inputs), ...(labels !== undefined && { labels }) };
      const { firewall: made } = await api.act("POST", "firewalls", body, context);
      const id = text((made as JsonMap)["id"]);
      return { id, outputs: (await read(id)) ?? {} };
    },
    async read(id, inputs) {
      const outputs = await read(id);
      return outputs && { id, outputs, inputs: inputsFrom(outputs, inputs, ["name", "labels", "rules"]) };
    },
    async update(id, olds, news, context) {
      const { name = null, labels = {} } = news;
      if (!same(olds["name"], name)) await api.call("PUT", `firewalls/${id}`, { name });
      const rules = rulesOf(news);
      // As the official provider: without a rule to set it leaves those that there are.
      const differs = !same(canonical("rules", olds["rules"] ?? null), canonical("rules", news["rules"] ?? null));
      if (differs && rules.length > 0) {
        await api.act("POST", `firewalls/${id}/actions/set_rules`, { rules }, context);
      }
      if (!same(olds["labels"] ?? {}, labels)) await api.call("PUT", `firewalls/${id}`, { labels });
      const outputs = await read(id);
      if (outputs === undefined) throw new Error(`firewall ${id} is gone: run pulumi refresh`);
      return outputs;
    },
    delete: (id, _outputs, context) => remove(api, id, context),
  };
}

function checkRules(rules: Value | undefined): Failure[] {
  if (!isList(rules)) return [];
  return rules.flatMap((item, index) =>
    (["sourceIps", "destinationIps"] as const).flatMap((key) => {
      const networks = isMap(item) ? item[key] : undefined;
      if (!isList(networks)) return [];
      return networks
        .filter((network): network is string => typeof network === "string" && !isNetwork(network))
        .map((network) => ({
          property: `rules[${String(index)}].${key}`,
          reason: `${network} is neither an address nor the start of a network`,
        }));
    }),
  );
}

function rulesOf(inputs: JsonMap): JsonMap[] {
  return asList(inputs["rules"]).map((item) => {
    const { direction = null, protocol = null, port, sourceIps, destinationIps, description } = item as JsonMap;
    const networks = (list: Value | undefined): string[] =>
      Array.isArray(list) ? list.map((network) => normalizeNetwork(network as string)) : [];
    return {
      direction,
      protocol,
      source_ips: networks(sourceIps),
      destination_ips: networks(destinationIps),
      ...(port !== undefined && port !== "" && { port }),
      ...(description !== undefined && description !== "" && { description }),
    };
  });
}

function outputsOf(found: JsonMap): JsonMap {
  const rules = asList(found["rules"]).map((item) => {
    const { direction, protocol, port, source_ips, destination_ips, description } = item as ValueMap;
    const optional = { port, description, sourceIps: source_ips, destinationIps: destination_ips };
    const present = Object.entries(optional).filter(
      ([, value]) => value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0),
    );
    return { direction, protocol, ...Object.fromEntries(present) } as JsonMap;
  });
  const applyTos = asList(found["applied_to"]).map((item): JsonMap => {
    const { type, server, label_selector: selector } = item as JsonMap;
    return type === "server"
      ? { server: (server as JsonMap)["id"] ?? null }
      : { labelSelector: (selector as JsonMap)["selector"] ?? null };
  });
  return { name: found["name"] ?? null, labels: found["labels"] ?? {}, rules, applyTos };
}

async function remove(api: Api, id: string, context: Context): Promise<void> {
  const found = await api.get("firewalls", "firewall", id);
  if (found === undefined) return;
  const resources = asList(found["applied_to"]);
  if (resources.length > 0) {
    try {
      const answer = await api.call("POST", `firewalls/${id}/actions/remove_from_resources`, {
        remove_from: resources,
      });
      await api.wait(asList(answer["actions"]) as unknown as Action[], context);
    } catch (error) {
      const gone = error instanceof ApiError && ["firewall_resource_not_found", "not_found"].includes(error.code);
      if (!gone) throw error;
    }
  }
  for (let attempt = 1; ; attempt++) {
    try {
      await api.call("DELETE", `firewalls/${id}`);
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      const busy = error instanceof ApiError && ["conflict", "resource_in_use"].includes(error.code);
      if (!busy || attempt >= DELETE_TRIES) throw error;
      context.log.status("still in use: retrying");
      await sleep(1000 * 2 ** Math.min(attempt - 1, 5), undefined, { signal: context.signal });
    }
  }
}
