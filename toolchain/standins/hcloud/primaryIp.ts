import { setTimeout as sleep } from "node:timers/promises";
import type { Failure } from "../rpc/fields";
import { PartialFailure, type Context, type Resource } from "../rpc/resource";
import { same, text, type JsonMap, type ValueMap } from "../rpc/values";
import { ApiError, isNotFound, type Api } from "./api";
import { autoName, canonical, checkLabels, inputsFrom, nameClashes } from "./common";

// A server that was just deleted holds on to its address for a moment longer.
const DELETE_TRIES = 10;

/** `hcloud.PrimaryIp`. */
export function primaryIp(api: Api): Resource {
  const protect = async (id: string, value: unknown, context: Context): Promise<void> => {
    await api.act("POST", `primary_ips/${id}/actions/change_protection`, { delete: value === true }, context);
  };
  const read = async (id: string): Promise<JsonMap> => {
    const found = await api.get("primary_ips", "primary_ip", id);
    if (found === undefined) throw new Error(`primary IP ${id} is gone: run pulumi refresh`);
    return outputsOf(found);
  };
  return {
    inputs: {
      name: { type: "string" },
      type: { type: "string", required: true, replace: true, oneOf: ["ipv4", "ipv6"] },
      location: { type: "string", replace: true, computed: true },
      assigneeId: { type: "number", computed: true },
      assigneeType: { type: "string", computed: true },
      autoDelete: { type: "boolean", default: false },
      deleteProtection: { type: "boolean", default: false },
      labels: { type: "map", of: { type: "string" }, computed: true },
      datacenter: { type: "string", uncovered: true },
    },
    outputs: ["ipAddress", "ipNetwork"],
    stable: ["ipAddress", "ipNetwork"],
    canonical,
    check: (inputs, context) => [...autoName(inputs, context), ...checkLabels(inputs), ...checkPlace(inputs)],
    deleteBeforeReplace: nameClashes,
    async create(inputs, context) {
      const { name = null, type = null, location, assigneeId, assigneeType, autoDelete, labels } = inputs;
      const place = location === undefined ? { assignee_id: assigneeId, assignee_type: assigneeType } : { location };
      const body = { name, type, auto_delete: autoDelete, labels, ...place };
      const answer = await api.call("POST", "primary_ips", defined(body));
      const made = answer["primary_ip"] as JsonMap;
      const id = text(made["id"]);
      try {
        await api.wait([answer["action"] as never], context);
        if (inputs["deleteProtection"] === true) await protect(id, true, context);
        return { id, outputs: await read(id) };
      } catch (error) {
        throw new PartialFailure((error as Error).message, { id, outputs: outputsOf(made) });
      }
    },
    async read(id, inputs) {
      const found = await api.get("primary_ips", "primary_ip", id);
      if (found === undefined) return undefined;
      const outputs = outputsOf(found);
      const imported = ["name", "type", "location", "autoDelete", "deleteProtection", "labels"];
      return { id, outputs, inputs: inputsFrom(outputs, inputs, imported) };
    },
    async update(id, olds, news, context) {
      const { name = null, autoDelete = false, labels = {}, deleteProtection = false } = news;
      if (!same(olds["deleteProtection"], deleteProtection)) await protect(id, deleteProtection, context);
      await reassign(api, id, olds, news, context);
      await api.call("PUT", `primary_ips/${id}`, { name, auto_delete: autoDelete, labels });
      return read(id);
    },
    delete: (id, outputs, context) => remove(api, id, outputs, context),
  };
}

function checkPlace(inputs: ValueMap): Failure[] {
  const { location, assigneeId, assigneeType } = inputs;
  if ((location === undefined) === (assigneeId === undefined)) {
    return [{ property: "location", reason: "exactly one of location and assigneeId must be set" }];
  }
  if (assigneeId !== undefined && assigneeType === undefined) {
    return [{ property: "assigneeType", reason: "missing: it goes with assigneeId" }];
  }
  return [];
}

async function reassign(api: Api, id: string, olds: JsonMap, news: JsonMap, context: Context): Promise<void> {
  const { assigneeId, assigneeType = "server" } = news;
  if (assigneeId === undefined || same(olds["assigneeId"], assigneeId)) return;
  if (Number(olds["assigneeId"]) !== 0) await api.act("POST", `primary_ips/${id}/actions/unassign`, undefined, context);
  if (Number(assigneeId) === 0) return;
  const assignee = { assignee_id: assigneeId, assignee_type: assigneeType };
  await api.act("POST", `primary_ips/${id}/actions/assign`, assignee, context);
}

/** Takes the address off a server that still has it, which must be off for that, and deletes it. */
async function remove(api: Api, id: string, outputs: JsonMap, context: Context): Promise<void> {
  const assignee = Number(outputs["assigneeId"] ?? 0);
  const server = assignee === 0 ? undefined : await api.get("servers", "server", String(assignee));
  const net = server?.["public_net"] as Record<string, JsonMap | null> | undefined;
  if ([net?.["ipv4"]?.["id"], net?.["ipv6"]?.["id"]].includes(Number(id))) {
    const off = `servers/${String(assignee)}/actions/poweroff`;
    await api.act("POST", off, undefined, context);
    await api.act("POST", `primary_ips/${id}/actions/unassign`, undefined, context);
    await api.act("POST", `servers/${String(assignee)}/actions/poweron`, undefined, context);
  }
  for (let attempt = 1; ; attempt++) {
    try {
      await api.call("DELETE", `primary_ips/${id}`);
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      const isProtected = error instanceof ApiError && error.code === "protected";
      if (isProtected || attempt >= DELETE_TRIES) throw error;
      context.log.status(`${(error as Error).message}: retrying`);
      await sleep(1000 * 2 ** Math.min(attempt - 1, 5), undefined, { signal: context.signal });
    }
  }
}

function outputsOf(found: JsonMap): JsonMap {
  const { name = null, type = null, ip = null, location, assignee_id: assigneeId, assignee_type: assigneeType } = found;
  const { auto_delete: autoDelete = false, labels = {}, protection } = found;
  const address = text(ip);
  return {
    name,
    type,
    location: (location as JsonMap | null | undefined)?.["name"] ?? null,
    assigneeId: assigneeId ?? 0,
    assigneeType: assigneeType ?? "",
    autoDelete,
    labels,
    deleteProtection: (protection as JsonMap | undefined)?.["delete"] ?? false,
    ipAddress: address.split("/")[0] ?? address,
    ...(type === "ipv6" && { ipNetwork: address }),
  };
}

function defined(body: Record<string, JsonMap[string] | undefined>): JsonMap {
  return Object.fromEntries(
    Object.entries(body).filter((entry): entry is [string, JsonMap[string]] => entry[1] !== undefined),
  );
}
