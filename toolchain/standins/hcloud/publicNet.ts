import { randomInt } from "node:crypto";
import type { Context } from "../rpc/resource";
import type { JsonMap } from "../rpc/values";
import { asList, type Api } from "./api";

/** What the program wants of one address family. */
interface Family {
  enabled: boolean;
  /** Primary IP; 0 for one that Hetzner makes and deletes with the server. */
  id: number;
}

const FAMILIES = ["ipv4", "ipv6"] as const;

/** The `public_net` of a new server. */
export function publicNetBody(net: JsonMap): JsonMap {
  const [v4, v6] = [familyOf(net, "ipv4"), familyOf(net, "ipv6")];
  return {
    enable_ipv4: v4.enabled || v4.id !== 0,
    enable_ipv6: v6.enabled || v6.id !== 0,
    ...(v4.id !== 0 && { ipv4: v4.id }),
    ...(v6.id !== 0 && { ipv6: v6.id }),
  };
}

/** Gives a server other primary IPs: it is off while that happens. */
export async function changePublicNet(
  api: Api,
  serverId: string,
  current: JsonMap,
  olds: JsonMap,
  news: JsonMap,
  context: Context,
): Promise<void> {
  const [before, after] = [olds, news].map((values) => asList(values["publicNets"])[0] as JsonMap | undefined);
  const power = (state: string): Promise<unknown> =>
    api.act("POST", `servers/${serverId}/actions/${state}`, undefined, context);
  await power("poweroff");
  try {
    for (const family of FAMILIES) {
      const [was, is] = [familyOf(before ?? {}, family), familyOf(after ?? {}, family)];
      if (!is.enabled && is.id !== 0) throw new Error(`publicNets: ${family} is not enabled, but has an address`);
      if (was.enabled === is.enabled && was.id === is.id) continue;
      const attached = (current["public_net"] as Record<string, JsonMap | null> | undefined)?.[family]?.["id"];
      await changeFamily(api, serverId, family, Number(attached ?? 0), was, is, context);
    }
  } finally {
    await power("poweron");
  }
}

async function changeFamily(
  api: Api,
  serverId: string,
  family: string,
  attached: number,
  was: Family,
  is: Family,
  context: Context,
): Promise<void> {
  if (attached !== 0) {
    await api.act("POST", `primary_ips/${String(attached)}/actions/unassign`, undefined, context);
    // One that Hetzner made is nobody else's; one that the program made stays.
    if (was.id === 0) await api.call("DELETE", `primary_ips/${String(attached)}`);
  }
  const assignee = { assignee_id: Number(serverId), assignee_type: "server" };
  if (is.id !== 0) {
    await api.act("POST", `primary_ips/${String(is.id)}/actions/assign`, assignee, context);
  } else if (is.enabled) {
    const name = `primary_ip-${String(randomInt(1_000_000, 9_999_999))}`;
    await api.act("POST", "primary_ips", { name, type: family, auto_delete: true, ...assignee }, context);
  }
}

function familyOf(net: JsonMap, family: (typeof FAMILIES)[number]): Family {
  return { enabled: net[`${family}Enabled`] !== false, id: Number(net[family] ?? 0) };
}
