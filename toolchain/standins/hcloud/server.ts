import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fields } from "../rpc/fields";
import { PartialFailure, type Context, type Resource } from "../rpc/resource";
import { same, text, type JsonMap, type Value } from "../rpc/values";
import { asList, type Action, type Api } from "./api";
import { autoName, canonical, checkLabels, inputsFrom, nameClashes } from "./common";
import { changePublicNet, publicNetBody } from "./publicNet";

const publicNet: Fields = {
  ipv4: { type: "number" },
  ipv4Enabled: { type: "boolean", default: true },
  ipv6: { type: "number" },
  ipv6Enabled: { type: "boolean", default: true },
};

const inputs: Fields = {
  name: { type: "string" },
  serverType: { type: "string", required: true },
  image: { type: "string", replace: true, computed: true },
  location: { type: "string", replace: true, computed: true },
  userData: { type: "string", replace: true },
  sshKeys: { type: "list", of: { type: "string" }, replace: true },
  labels: { type: "map", of: { type: "string" } },
  keepDisk: { type: "boolean", default: false },
  backups: { type: "boolean", default: false },
  firewallIds: { type: "list", of: { type: "number" }, computed: true },
  publicNets: { type: "list", of: { type: "object", fields: publicNet } },
  deleteProtection: { type: "boolean", default: false },
  rebuildProtection: { type: "boolean", default: false },
  shutdownBeforeDeletion: { type: "boolean", default: false },
  ...Object.fromEntries(
    [
      "allowDeprecatedImages",
      "datacenter",
      "ignoreRemoteFirewallIds",
      "iso",
      "networks",
      "placementGroupId",
      "rescue",
    ].map((name) => [name, { type: "any", uncovered: true } as const]),
  ),
};

// How long a server may take to shut down before it is deleted all the same, in seconds.
const SHUTDOWN_S = 31;

/** `hcloud.Server`. */
export function server(api: Api): Resource {
  const read = async (id: string, known: JsonMap): Promise<JsonMap> => {
    const found = await api.get("servers", "server", id);
    if (found === undefined) throw new Error(`server ${id} is gone: run pulumi refresh`);
    return outputsOf(found, known);
  };
  return {
    inputs,
    outputs: ["backupWindow", "ipv4Address", "ipv6Address", "ipv6Network", "primaryDiskSize", "status"],
    stable: ["backupWindow", "ipv4Address", "ipv6Address", "ipv6Network", "primaryDiskSize", "status"],
    canonical: canonicalServer,
    check: (news, context) => [...autoName(news, context), ...checkLabels(news)],
    deleteBeforeReplace: nameClashes,
    async create(news, context) {
      const answer = await api.call("POST", "servers", await bodyOf(api, news));
      const made = answer["server"] as JsonMap;
      const id = text(made["id"]);
      try {
        await api.wait([answer["action"], ...asList(answer["next_actions"])] as unknown as Action[], context);
        if (news["backups"] === true) await act(api, id, "enable_backup", {}, context);
        if (news["deleteProtection"] === true || news["rebuildProtection"] === true)
          await protect(api, id, news, context);
        return { id, outputs: await read(id, news) };
      } catch (error) {
        throw new PartialFailure((error as Error).message, { id, outputs: outputsOf(made, news) });
      }
    },
    async read(id, known, outputs) {
      const found = await api.get("servers", "server", id);
      if (found === undefined) return undefined;
      const now = outputsOf(found, known);
      // What the API does not tell stays as it was.
      for (const key of ["userData", "sshKeys", "publicNets"]) {
        if (outputs[key] !== undefined) now[key] = outputs[key];
      }
      const imported = ["name", "serverType", "image", "location", "labels", "firewallIds", "backups"];
      const told = { ...now };
      if (known["userData"] !== undefined) told["userData"] = known["userData"];
      return { id, outputs: now, inputs: inputsFrom(told, known, imported) };
    },
    async update(id, olds, news, context) {
      await change(api, id, olds, news, context);
      return read(id, news);
    },
    async delete(id, outputs, context) {
      if (outputs["shutdownBeforeDeletion"] === true) await shutDown(api, id, context);
      await api.act("DELETE", `servers/${id}`, undefined, context);
    },
  };
}

/** The state holds only a hash of the user data, as the official plugin has it. */
function canonicalServer(key: string, value: Value, of: "state" | "inputs"): Value | undefined {
  if (key === "userData" && of === "inputs" && typeof value === "string")
    return value === "" ? undefined : hashOf(value);
  return canonical(key, value);
}

function hashOf(userData: string): string {
  return createHash("sha1").update(userData).digest("base64");
}

async function bodyOf(api: Api, news: JsonMap): Promise<JsonMap> {
  const typeName = text(news["serverType"]);
  const type = await api.find("server_types", "server_type", typeName);
  if (type === undefined) throw new Error(`server type ${typeName} not found`);
  const architecture = text(type["architecture"]);
  const imageName = text(news["image"]);
  const query = `architecture=${architecture}&include_deprecated=true&`;
  const image = await api.find("images", "image", imageName, query);
  if (image === undefined) throw new Error(`image ${imageName} for architecture ${architecture} not found`);
  const keys: Value[] = [];
  for (const name of asList(news["sshKeys"]) as string[]) {
    const key = await api.find("ssh_keys", "ssh_key", name);
    if (key === undefined) throw new Error(`SSH key not found: ${name}`);
    keys.push(key["id"] ?? null);
  }
  const firewalls = asList(news["firewallIds"]).map((id) => ({ firewall: id }));
  const net = asList(news["publicNets"])[0];
  return {
    name: news["name"] ?? null,
    server_type: typeName,
    image: image["id"] ?? null,
    ...(news["location"] !== undefined && { location: news["location"] }),
    ...(news["userData"] !== undefined && { user_data: news["userData"] }),
    ...(keys.length > 0 && { ssh_keys: keys as JsonMap[string] }),
    ...(news["labels"] !== undefined && { labels: news["labels"] }),
    ...(firewalls.length > 0 && { firewalls }),
    ...(net !== undefined && { public_net: publicNetBody(net as JsonMap) }),
  };
}

/** Does what changed, in the order of the official plugin. */
async function change(api: Api, id: string, olds: JsonMap, news: JsonMap, context: Context): Promise<void> {
  const current = await api.get("servers", "server", id);
  if (current === undefined) throw new Error(`server ${id} is gone: run pulumi refresh`);
  const changed = (key: string): boolean =>
    !same(canonicalServer(key, olds[key] ?? null, "state"), canonicalServer(key, news[key] ?? null, "inputs"));
  if (changed("name")) await api.call("PUT", `servers/${id}`, { name: news["name"] ?? null });
  if (changed("labels")) await api.call("PUT", `servers/${id}`, { labels: news["labels"] ?? {} });
  if (changed("serverType")) {
    if (current["status"] === "running") await act(api, id, "poweroff", undefined, context);
    const type = { server_type: news["serverType"] ?? null, upgrade_disk: news["keepDisk"] !== true };
    await act(api, id, "change_type", type, context);
  }
  if (changed("backups")) {
    const on = news["backups"] === true;
    if (on !== Boolean(current["backup_window"])) {
      await act(api, id, on ? "enable_backup" : "disable_backup", on ? {} : undefined, context);
    }
  }
  if (news["firewallIds"] !== undefined && changed("firewallIds")) {
    await changeFirewalls(api, id, current, asList(news["firewallIds"]) as number[], context);
  }
  if (changed("publicNets")) await changePublicNet(api, id, current, olds, news, context);
  if (changed("deleteProtection") || changed("rebuildProtection")) await protect(api, id, news, context);
}

async function act(api: Api, id: string, action: string, body: JsonMap | undefined, context: Context): Promise<void> {
  await api.act("POST", `servers/${id}/actions/${action}`, body, context);
}

async function protect(api: Api, id: string, news: JsonMap, context: Context): Promise<void> {
  const { deleteProtection = false, rebuildProtection = false } = news;
  await act(api, id, "change_protection", { delete: deleteProtection, rebuild: rebuildProtection }, context);
}

async function changeFirewalls(
  api: Api,
  id: string,
  current: JsonMap,
  wanted: number[],
  context: Context,
): Promise<void> {
  const target = [{ type: "server", server: { id: Number(id) } }];
  const attached = firewallsOf(current);
  for (const firewall of attached.filter((each) => !wanted.includes(each))) {
    const path = `firewalls/${String(firewall)}/actions/remove_from_resources`;
    await api.act("POST", path, { remove_from: target }, context);
  }
  for (const firewall of wanted.filter((each) => !attached.includes(each))) {
    const path = `firewalls/${String(firewall)}/actions/apply_to_resources`;
    await api.act("POST", path, { apply_to: target }, context);
  }
}

async function shutDown(api: Api, id: string, context: Context): Promise<void> {
  await act(api, id, "shutdown", undefined, context);
  for (let second = 0; second < SHUTDOWN_S; second++) {
    const current = await api.get("servers", "server", id);
    if (current === undefined || current["status"] === "off") return;
    context.log.status("shutting down");
    await sleep(1000, undefined, { signal: context.signal });
  }
  context.log.warn(`Server id ${id} did not finish shutting down gracefully in time, deleting it anyways.`);
}

function firewallsOf(found: JsonMap): number[] {
  const net = found["public_net"] as JsonMap | undefined;
  return asList(net?.["firewalls"]).map((each) => Number((each as JsonMap)["id"]));
}

/** @param known inputs or outputs that hold what the API does not tell */
function outputsOf(found: JsonMap, known: JsonMap): JsonMap {
  const net = (found["public_net"] ?? {}) as Record<string, JsonMap | null | undefined>;
  const part = (key: string): JsonMap => (found[key] ?? {}) as JsonMap;
  const image = part("image");
  const named = image["name"] !== null && image["name"] !== undefined && text(image["id"]) !== known["image"];
  const network = net["ipv6"]?.["ip"];
  const outputs: Record<string, JsonMap[string] | undefined> = {
    name: found["name"],
    status: found["status"],
    serverType: part("server_type")["name"],
    location: part("location")["name"] ?? (part("datacenter")["location"] as JsonMap | undefined)?.["name"],
    image: named ? image["name"] : text(image["id"]),
    labels: found["labels"],
    backups: Boolean(found["backup_window"]),
    backupWindow: found["backup_window"] ?? "",
    primaryDiskSize: found["primary_disk_size"],
    firewallIds: firewallsOf(found),
    deleteProtection: part("protection")["delete"],
    rebuildProtection: part("protection")["rebuild"],
    ipv4Address: net["ipv4"]?.["ip"] ?? "",
    ipv6Address: typeof network === "string" ? `${network.split("/")[0] ?? ""}1` : "",
    ipv6Network: network ?? "",
    keepDisk: known["keepDisk"],
    shutdownBeforeDeletion: known["shutdownBeforeDeletion"],
    sshKeys: known["sshKeys"],
    publicNets: known["publicNets"],
    userData: typeof known["userData"] === "string" ? hashOf(known["userData"]) : undefined,
  };
  const present = Object.entries(outputs).filter((entry): entry is [string, JsonMap[string]] => entry[1] !== undefined);
  return Object.fromEntries(present);
}
