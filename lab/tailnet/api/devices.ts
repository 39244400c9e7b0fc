import { tailnetDomain } from "../config";
import { TailnetError } from "../errors";
import { Node, Tailnet } from "../tailnet";
import { jsonOf, Route } from "./app";
import { checkTags } from "./keys";

const never = "0001-01-01T00:00:00Z";

/** `/devices` and `/device/ID`: headscale's nodes. Device approval is off, as in a new tailnet. */
export function deviceRoutes(route: Route, tailnet: Tailnet): void {
  const list = async (): Promise<Node[]> => {
    const { nodes } = await tailnet.backend.call<{ nodes: Node[] }>("GET", "node");
    return nodes;
  };
  const find = async (id: string): Promise<Node> => {
    const node = (await list()).find((candidate) => candidate.id === id || nodeIdOf(candidate) === id);
    if (node === undefined) {
      throw new TailnetError(404, "no such device");
    }
    return node;
  };
  const change = async (id: string, path: string, body?: object): Promise<undefined> => {
    await tailnet.backend.call("POST", `node/${(await find(id)).id}/${path}`, body ?? {});
    return undefined;
  };
  const show = (node: Node): Record<string, unknown> => describe(node, tailnetDomain(tailnet.instance));

  route("GET", "/tailnet/:tailnet/devices", "devices:core", async ({ query }) => {
    const filters = Object.entries(query).filter(([key]) => key !== "fields");
    const devices = (await list()).map(show);
    return { devices: devices.filter((device) => filters.every(([key, wanted]) => matches(device[key], wanted))) };
  });

  route("GET", "/device/:id", "devices:core", async ({ id }) => show(await find(id)));

  route("DELETE", "/device/:id", "devices:core", async ({ id }) => {
    await tailnet.backend.call("DELETE", `node/${(await find(id)).id}`);
    return undefined;
  });

  route("POST", "/device/:id/expire", "devices:core", ({ id }) => change(id, "expire"));

  route("POST", "/device/:id/name", "devices:core", ({ id, body }) => {
    const { name } = jsonOf(body);
    const label = String(name).split(".")[0] ?? "";
    return change(id, `rename/${encodeURIComponent(label)}`);
  });

  route("POST", "/device/:id/tags", "devices:core", async ({ id, body }) => {
    const { tags } = jsonOf(body) as { tags?: string[] };
    await checkTags(tailnet, tags ?? []);
    return change(id, "tags", { tags: tags ?? [] });
  });

  route("POST", "/device/:id/key", "devices:core", async ({ id, body }) => {
    if (jsonOf(body)["keyExpiryDisabled"] !== true) {
      throw new TailnetError(501, "the lab does not emulate switching key expiry on");
    }
    return change(id, "expire", { disable_expiry: true });
  });

  route("POST", "/device/:id/authorized", "devices:core", async ({ id, body }) => {
    if (jsonOf(body)["authorized"] !== true) {
      throw new TailnetError(501, "the lab does not emulate device approval");
    }
    await find(id);
    return undefined;
  });
}

function nodeIdOf({ id }: Node): string {
  return `n${id}CNTRL`;
}

function matches(value: unknown, wanted: string | string[]): boolean {
  const all = [wanted].flat();
  return Array.isArray(value) ? all.every((item) => value.includes(item)) : all.includes(String(value));
}

function describe(node: Node, domain: string): Record<string, unknown> {
  const { id, ipAddresses, givenName, name, machineKey, nodeKey, online, lastSeen, tags, createdAt, expiry } = node;
  return {
    id,
    nodeId: nodeIdOf(node),
    addresses: ipAddresses,
    name: `${givenName}.${domain}`,
    hostname: name,
    user: tags.length > 0 ? "tagged-devices" : (node.user?.name ?? ""),
    tags,
    machineKey,
    nodeKey,
    created: createdAt,
    expires: expiry ?? never,
    keyExpiryDisabled: expiry === null || expiry === never,
    authorized: true,
    isExternal: false,
    isEphemeral: node.preAuthKey?.ephemeral === true,
    os: "linux",
    clientVersion: "",
    updateAvailable: false,
    blocksIncomingConnections: false,
    connectedToControl: online,
    ...(online || lastSeen === null ? {} : { lastSeen }),
  };
}
