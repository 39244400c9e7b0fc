import type { Resource } from "../rpc/resource";
import { text, type JsonMap } from "../rpc/values";
import { isNotFound, type Api } from "./api";
import { autoName, canonical, checkLabels, inputsFrom, nameClashes } from "./common";

/** `hcloud.SshKey`. */
export function sshKey(api: Api): Resource {
  return {
    inputs: {
      name: { type: "string" },
      publicKey: { type: "string", required: true, replace: true },
      labels: { type: "map", of: { type: "string" }, computed: true },
    },
    outputs: ["fingerprint"],
    stable: ["fingerprint"],
    canonical,
    check: (inputs, context) => [...autoName(inputs, context), ...checkLabels(inputs)],
    deleteBeforeReplace: nameClashes,
    async create({ name = null, publicKey = null, labels }) {
      const body = { name, public_key: publicKey, ...(labels !== undefined && { labels }) };
      const { ssh_key: key } = await api.call("POST", "ssh_keys", body);
      return stateOf(key as JsonMap);
    },
    async read(id, inputs) {
      const key = await api.get("ssh_keys", "ssh_key", id);
      if (key === undefined) return undefined;
      const state = stateOf(key);
      return { ...state, inputs: inputsFrom(state.outputs, inputs, ["name", "publicKey", "labels"]) };
    },
    async update(id, _olds, { name = null, labels = {} }) {
      const { ssh_key: key } = await api.call("PUT", `ssh_keys/${id}`, { name, labels });
      return stateOf(key as JsonMap).outputs;
    },
    async delete(id) {
      try {
        await api.call("DELETE", `ssh_keys/${id}`);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  };
}

function stateOf(key: JsonMap): { id: string; outputs: JsonMap } {
  const { id, name = null, public_key: publicKey = null, fingerprint = null, labels = {} } = key;
  return { id: text(id), outputs: { name, publicKey, fingerprint, labels } };
}
