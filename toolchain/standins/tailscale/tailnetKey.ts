import type { Field } from "../rpc/fields";
import type { Resource } from "../rpc/resource";
import { isList, text, type JsonMap, type Value } from "../rpc/values";
import { isNotFound, type Api } from "./api";

const flag: Field = { type: "boolean", default: false, replace: true };
const MAX_DESCRIPTION = 50;

/** `tailscale.TailnetKey`: an auth key, by which devices join. */
export function tailnetKey(api: Api): Resource {
  return {
    inputs: {
      reusable: flag,
      ephemeral: flag,
      preauthorized: flag,
      tags: { type: "list", of: { type: "string" }, replace: true },
      expiry: { type: "number", replace: true, computed: true },
      description: { type: "string", default: "", replace: true },
      recreateIfInvalid: { type: "string", oneOf: ["", "always", "never"] },
      userId: { type: "string", computed: true },
    },
    outputs: ["key", "createdAt", "expiresAt", "invalid"],
    secretOutputs: ["key"],
    stable: ["key", "createdAt", "expiresAt", "invalid"],
    canonical,
    check({ description }) {
      if (typeof description !== "string" || description.length <= MAX_DESCRIPTION) return [];
      const reason = `string length must be at most ${String(MAX_DESCRIPTION)}, got: ${String(description.length)}`;
      return [{ property: "description", reason }];
    },
    mustReplace({ invalid }, { reusable, recreateIfInvalid }) {
      const recreated = recreateIfInvalid === "always" || (recreateIfInvalid !== "never" && reusable === true);
      return invalid === true && recreated ? "invalid" : undefined;
    },
    async create(inputs) {
      const { reusable = false, ephemeral = false, preauthorized = false, tags = [], expiry = 0 } = inputs;
      const made = await api.json("POST", "keys", {
        capabilities: { devices: { create: { reusable, ephemeral, preauthorized, tags } } },
        expirySeconds: expiry,
        description: inputs["description"] ?? "",
      });
      return { id: text(made["id"]), outputs: { ...outputsOf(made, inputs), key: made["key"] ?? null } };
    },
    async read(id, inputs, outputs) {
      try {
        const found = await api.json("GET", `keys/${id}`);
        const now = { ...outputs, ...outputsOf(found, inputs) };
        const { description, ephemeral, expiry, preauthorized, reusable, tags } = now;
        const told = { description, ephemeral, expiry, preauthorized, reusable, tags } as JsonMap;
        return { id, outputs: now, inputs: Object.keys(inputs).length === 0 ? told : inputs };
      } catch (error) {
        if (!isNotFound(error)) throw error;
        // A used key may be forgotten: that is no reason to make another one.
        return { id, outputs: { ...outputs, invalid: true }, inputs };
      }
    },
    update: (_id, olds, news) => Promise.resolve({ ...olds, ...news }),
    async delete(id) {
      try {
        await api.call("DELETE", `keys/${id}`);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  };
}

function outputsOf(found: JsonMap, inputs: JsonMap): JsonMap {
  const { capabilities, description = "", expirySeconds = null, created = null, expires = null } = found;
  const { create } = (capabilities as { devices: { create: JsonMap } }).devices;
  const { reusable = false, ephemeral = false, preauthorized = false, tags } = create;
  const { recreateIfInvalid } = inputs;
  return {
    reusable,
    ephemeral,
    preauthorized,
    tags: tags ?? [],
    description,
    expiry: expirySeconds,
    createdAt: created,
    expiresAt: expires,
    invalid: found["invalid"] === true,
    userId: found["userId"] ?? "",
    ...(recreateIfInvalid !== undefined && { recreateIfInvalid }),
  };
}

/** Tags are a set; none is the same as an empty one. */
function canonical(_key: string, value: Value): Value | undefined {
  if (isList(value)) return value.length === 0 ? undefined : [...value].sort();
  return value === "" || value === null ? undefined : value;
}
