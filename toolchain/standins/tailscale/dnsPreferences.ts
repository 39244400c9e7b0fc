import { randomUUID } from "node:crypto";
import type { Resource } from "../rpc/resource";
import type { Api } from "./api";

/** `tailscale.DnsPreferences`: whether devices know each other by name. */
export function dnsPreferences(api: Api): Resource {
  const set = (magicDNS: boolean): Promise<unknown> => api.json("POST", "dns/preferences", { magicDNS });
  return {
    inputs: { magicDns: { type: "boolean", required: true } },
    outputs: [],
    async create(inputs) {
      await set(inputs["magicDns"] === true);
      return { id: randomUUID(), outputs: inputs };
    },
    async read(id) {
      const { magicDNS: magicDns = null } = await api.json("GET", "dns/preferences");
      return { id, outputs: { magicDns }, inputs: { magicDns } };
    },
    async update(_id, _olds, news) {
      await set(news["magicDns"] === true);
      return news;
    },
    async delete() {
      await set(false);
    },
  };
}
