import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { instanceOf } from "../../lab/instances";
import { tailnetAccess } from "../../lab/tailnet/access";
import { loginServer, tailnetDomain } from "../../lab/tailnet/config";
import { tailscaleArchive } from "../../lab/tailnet/downloads";
import { prepare } from "../../components/hostSettings";
import { expectedOf } from "../../components/layers";
import { dashboardScript } from "../../components/layers/dashboard";
import { managementScript } from "../../components/layers/management";
import { leaveScript, tailnetScript, type TailnetHost } from "../../components/layers/tailnet";
import { tailscaleScript } from "../../components/layers/tailscale";
import { valueOf } from "../components/valueOf";
import { Attacker, until } from "./attacker";
import { Keys } from "./keys";
import { instance, operatorKey, type Ran, type TestStack } from "./stack";
import { sshKeyPair } from "../../lib/keys";
import { sshWays } from "../../lib/sshWays";

const lab = instanceOf(instance);
const { url, sha256 } = tailscaleArchive(lab);

/** The lab's Tailscale, as a stack pins it. */
export const archive = {
  baseUrl: url.replace(/[^/]*$/, ""),
  sha256: { amd64: sha256, arm64: sha256 },
};
/** The host's place on the lab's tailnet. */
export const place: TailnetHost = {
  hostname: "e2e-tail",
  tags: ["tag:monoclaw"],
  loginServer: loginServer(lab),
  https: false,
  newKey: "pulumi up --replace 'URN of the key'",
};
/** MagicDNS name of a device. */
export const nameOf = (hostname: string): string => `${hostname}.${tailnetDomain(lab)}`;

/** One call of Tailscale's API, by a user's key. */
export async function tailnetApi<T>(method: string, path: string, body?: object, user = "admin"): Promise<T> {
  const key = tailnetAccess.apiKey.replace(/admin$/, user);
  const answer = await fetch(`${lab.tailnetEndpoint}/api/v2/${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${String(answer.status)} ${text}`);
  return (text === "" ? {} : JSON.parse(text)) as T;
}

/** A new single-use auth key: for a tagged host, or for a device of the user's own. */
export async function authKey(tags: readonly string[] = ["tag:monoclaw"], user = "admin"): Promise<string> {
  const create = { reusable: false, ephemeral: false, preauthorized: true, tags };
  const made = await tailnetApi<{ key: string }>(
    "POST",
    "tailnet/-/keys",
    { description: "e2e", expirySeconds: 3600, capabilities: { devices: { create } } },
    user,
  );
  return made.key;
}

/** Lets alice reach these on tagged hosts: `tcp:80`, `*`. */
export async function grant(ip: string): Promise<void> {
  await tailnetApi("POST", "tailnet/-/acl", {
    tagOwners: { "tag:monoclaw": ["autogroup:admin"], "tag:other": ["autogroup:admin"] },
    grants: [{ src: ["alice@example.com"], dst: ["tag:monoclaw"], ip: [ip] }],
  });
}

/** The devices of the tailnet that ask for this name. */
export async function devices(
  hostname: string,
): Promise<readonly { readonly id: string; readonly name: string; readonly tags: readonly string[] }[]> {
  const { devices: all } = await tailnetApi<{
    devices: { id: string; hostname: string; name: string; tags: readonly string[] }[];
  }>("GET", "tailnet/-/devices");
  return all.filter((device) => device.hostname === hostname);
}

/** A second node: alice's laptop. */
export async function makePeer(): Promise<Attacker> {
  const peer = await Attacker.make("e2e-peer");
  const joined = await peer.run(
    `set -euo pipefail; umask 022; cd /root; until curl -fsS -o ts.tgz '${url}'; do ((SECONDS < 20)); sleep 0.2; done
    tar -xzf ts.tgz --strip-components=1 -C /usr/local/bin
    systemd-run -q --unit=tailscaled --service-type=notify -E TS_NO_LOGS_NO_SUPPORT=true /usr/local/bin/tailscaled
    cat | tailscale up --login-server=${loginServer(lab)} --auth-key=file:/dev/stdin --timeout=30s`,
    await authKey([], "alice"),
  );
  assert.equal(joined.exitCode, 0, joined.stderr);
  return peer;
}

/** Sends a host the tailnet's layers, signed as its stack would. */
export class Sender {
  private constructor(
    readonly stack: TestStack,
    readonly keys: Keys,
  ) {}

  static async of(stack: TestStack): Promise<Sender> {
    return new Sender(stack, await Keys.of(stack));
  }

  /** Applies a script as a layer, newer than any before. */
  async layer(name: string, script: string): Promise<Ran> {
    return this.keys.apply(this.keys.envelope(name, script).text);
  }

  tailscale(pinned: typeof archive | "off" = archive): Promise<Ran> {
    return this.layer("tailscale", tailscaleScript({ archive: pinned === "off" ? undefined : pinned }));
  }

  /** Leaves the tailnet, as the stack has it done at its end. */
  leave(): Promise<Ran> {
    return this.layer("tailnet", leaveScript({ soon: false }));
  }

  tailnet(key: string, host: TailnetHost = place): Promise<Ran> {
    return this.layer("tailnet", tailnetScript({ ...host, authKey: key }));
  }

  /**
   * Joins by a new key. When a host that is logged in logs in again, tailscaled uses the key twice now and then, and the control
   * server refuses it the second time; then the layer fails, is put back and asks for another key, so it gets one.
   */
  async join(host: TailnetHost = place): Promise<Ran> {
    const joined = await this.tailnet(await authKey(host.tags), host);
    return joined.all.includes("authkey already used") ? this.tailnet(await authKey(host.tags), host) : joined;
  }

  dashboard(host: TailnetHost = place): Promise<Ran> {
    return this.layer("dashboard", dashboardScript(host));
  }

  /** What the host's own audit compares with. */
  async management(host: TailnetHost | "off" = place): Promise<Ran> {
    const keys = { primaryUser: "ops", authorizedKeys: [readFileSync(`${operatorKey}.pub`, "utf8").trim()] };
    const settings = prepare("gateway", { keys, leastSerial: 1 });
    const isOff = host === "off";
    const expected = expectedOf({
      primaryUser: settings.primaryUser,
      ways: sshWays(settings),
      content: settings.content,
      deployPublicKey: pulumi.output(sshKeyPair(this.keys.seeds.deploy, "monoclaw-deploy").publicKey),
      token: { token: pulumi.output(""), rotateCommand: pulumi.output("pulumi up --replace 'URN of the token'") },
      archive: isOff ? undefined : archive,
      membership: isOff ? undefined : { authKey: pulumi.output(""), host: pulumi.output(host) },
    });
    const script = managementScript(await valueOf(expected));
    return this.layer("management", script);
  }

  /** How the host stands on its tailnet, by Tailscale's own command line. */
  async facts(): Promise<Readonly<Record<string, string>>> {
    const text = await this.stack.root("/usr/local/vps-scripts/tailnet-facts");
    const pairs = text.trim().split("\n");
    return Object.fromEntries(
      pairs.map((line): [string, string] => [line.split("=", 1)[0] ?? "", line.replace(/^[^=]*=/, "")]),
    );
  }

  /** Waits until a fact has this value. */
  async until(fact: string, value: string, seconds = 30): Promise<void> {
    await until(`${fact} is ${value}`, seconds, async () => (await this.facts())[fact] === value);
  }
}
