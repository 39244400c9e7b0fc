import { randomUUID } from "node:crypto";
import { canonicalHujson, standardJson } from "../../../lib/hujson";
import type { Ask, Resource } from "../rpc/resource";
import { text, type JsonMap, type Value } from "../rpc/values";
import { ApiError, problemOf, type Api } from "./api";

/** `tailscale.Acl`: the tailnet's one policy file. */
export function acl(api: Api): Resource {
  const set = (policy: string, headers: Record<string, string> = {}): Promise<string> =>
    api.call("POST", "acl", { hujson: policy }, headers);
  return {
    inputs: {
      acl: { type: "string", required: true },
      overwriteExistingContent: { type: "boolean" },
      resetAclOnDestroy: { type: "boolean" },
    },
    outputs: [],
    canonical: (key, value) => (key === "acl" && typeof value === "string" ? canonicalHujson(value) : settled(value)),
    // In a preview too, so that a policy whose tests fail never gets as far as an update.
    async validate(inputs) {
      const answer = await api.call("POST", "acl/validate", { hujson: text(inputs["acl"]) });
      if (answer !== "") throw new Error(`Invalid ACL: ACL validation failed: ${problemOf(answer)}`);
    },
    async create(inputs) {
      const condition = inputs["overwriteExistingContent"] === true ? {} : { "if-match": '"ts-default"' };
      try {
        await set(text(inputs["acl"]), condition);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 412) throw error;
        throw new Error(
          "Overwrite Protected: You are trying to overwrite a non-default policy. Please import the ACL first or set " +
            "overwrite_existing_content = true.",
          { cause: error },
        );
      }
      return { id: randomUUID(), outputs: inputs };
    },
    async read(id, inputs, outputs) {
      const policy = await api.call("GET", "acl", undefined, { accept: "application/hujson" });
      const same = canonicalHujson(policy) === canonicalHujson(text(inputs["acl"]));
      return { id, outputs: { ...outputs, acl: policy }, inputs: { ...inputs, ...(!same && { acl: policy }) } };
    },
    async update(_id, _olds, news): Promise<JsonMap> {
      await set(text(news["acl"]));
      return news;
    },
    async delete(_id, outputs) {
      // There always is one: nothing to delete, and an empty one resets it.
      if (outputs["resetAclOnDestroy"] === true) await set("");
    },
  };
}

/** `tailscale.getAcl`: the policy as it stands, and the same as JSON. The official plugin makes up an id each time, too. */
export function getAcl(api: Api): Ask {
  return async () => {
    const hujson = await api.call("GET", "acl", undefined, { accept: "application/hujson" });
    return { id: randomUUID(), hujson, json: standardJson(hujson) };
  };
}

function settled(value: Value): Value | undefined {
  return value === false || value === null ? undefined : value;
}
