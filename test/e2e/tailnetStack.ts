import { instanceOf } from "../../lab/instances";
import { tailnetAccess } from "../../lab/tailnet/access";
import { loginServer } from "../../lab/tailnet/config";
import { tailscaleArchive } from "../../lab/tailnet/downloads";
import { instance } from "./stack";

/** The lab that the tests' tailnet is in. */
export const lab = instanceOf(instance);

/** Configuration that puts a test stack's hosts on the lab's tailnet; `group` adds to or overrides `monoclaw:tailnet`. */
export function onTailnet(group: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const { url, sha256 } = tailscaleArchive(lab);
  return {
    "tailscale:baseUrl": lab.tailnetEndpoint,
    "tailscale:apiKey": tailnetAccess.apiKey,
    "monoclaw:tailnet": {
      loginServer: loginServer(lab),
      // The lab's hosts are of this machine's architecture, whichever that is.
      archive: { baseUrl: new URL(".", url).href, sha256: { amd64: sha256, arm64: sha256 } },
      ...group,
    },
  };
}

/** Calls Tailscale's API of the lab, as the administrator or another user. @throws Error with what it said */
export async function tailscaleApi(
  method: "GET" | "POST" | "DELETE",
  path: string,
  { user = "admin", body }: { readonly user?: string; readonly body?: string | object } = {},
): Promise<string> {
  const isHujson = path.endsWith("acl");
  const answer = await fetch(`${lab.tailnetEndpoint}/api/v2/${path}`, {
    method,
    headers: {
      authorization: `Bearer tskey-api-lab-${user}`,
      accept: isHujson ? "application/hujson" : "application/json",
      ...(body !== undefined && { "content-type": isHujson ? "application/hujson" : "application/json" }),
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${String(answer.status)} ${text}`);
  }
  return text;
}

/** The policy in force, as it stands. */
export function currentPolicy(): Promise<string> {
  return tailscaleApi("GET", "tailnet/-/acl");
}

/** Puts another policy in force, as somebody does in Tailscale's console. */
export async function editPolicy(policy: string): Promise<void> {
  await tailscaleApi("POST", "tailnet/-/acl", { body: policy });
}

/** A device of the tailnet. */
export interface Device {
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
  readonly tags: readonly string[];
  readonly addresses: readonly string[];
}

/** All devices that the control server knows. */
export async function devices(): Promise<readonly Device[]> {
  const answer = JSON.parse(await tailscaleApi("GET", "tailnet/-/devices")) as { devices: Device[] };
  return answer.devices;
}

/** A key by which a device of this user joins. */
export async function userKey(user: string): Promise<string> {
  const create = { reusable: false, ephemeral: false, preauthorized: true };
  const answer = JSON.parse(
    await tailscaleApi("POST", "tailnet/-/keys", { user, body: { capabilities: { devices: { create } } } }),
  ) as { key: string };
  return answer.key;
}
