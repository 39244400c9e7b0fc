import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { consoleLog } from "../../lab/host/driver";
import { findHost, ls } from "../../lab/hosts";
import { InstanceName, instanceOf } from "../../lab/instances";
import { Result, tryRun, waitUntil } from "../../lab/run";
import { caller, callAndWait, Method } from "./cloudApi";

/** The lab that these tests run on; no other tests use it. */
export const instance: InstanceName = "selftest";

/** An SSH key pair in a folder of its own. */
export interface KeyPair {
  readonly dir: string;
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Makes a key pair for one run of the tests. */
export function makeKeyPair(): KeyPair {
  const dir = mkdtempSync(join(tmpdir(), "lab-test-"));
  const privateKey = join(dir, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "lab-test", "-f", privateKey]);
  return { dir, privateKey, publicKey: readFileSync(`${privateKey}.pub`, "utf8").trim() };
}

/** Removes a key pair. */
export function removeKeyPair({ dir }: KeyPair): void {
  rmSync(dir, { recursive: true, force: true });
}

/** Calls the lab's API and waits for the actions that it starts; any answer but a success is an error, and an action that fails. */
export function api<T>(method: Method, path: string, body?: object): Promise<T> {
  return callAndWait(caller(instance), method, path.slice(1), body);
}

/** A server that tests made. */
export interface TestServer {
  readonly id: number;
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

interface ServerAnswer {
  readonly server: {
    readonly id: number;
    readonly public_net: { readonly ipv4: { readonly ip: string }; readonly ipv6: { readonly ip: string } };
  };
}

/** Creates a server and waits for its boot to begin. */
export async function createServer(name: string, extra: object): Promise<TestServer> {
  const body = { name, server_type: "cx23", image: "debian-13", location: "fsn1", ...extra };
  const { server } = await api<ServerAnswer>("POST", "/servers", body);
  const { ipv4, ipv6 } = server.public_net;
  return { id: server.id, name, ipv4: ipv4.ip, ipv6: ipv6.ip.replace("/64", "1") };
}

/** Runs an action on a server and waits for it. */
export async function act(server: TestServer, action: string, body?: object): Promise<void> {
  await api("POST", `/servers/${String(server.id)}/actions/${action}`, body);
}

/** The server's status by the API. */
export async function statusOf(server: TestServer): Promise<string> {
  return (await api<{ server: { status: string } }>("GET", `/servers/${String(server.id)}`)).server.status;
}

/** Runs a command over SSH as root; exit code 255 means that SSH itself failed. */
export function ssh(keys: KeyPair, address: string, command: string): Promise<Result> {
  const options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=2"];
  return tryRun([
    ...["ssh", "-F", "none", "-o", "LogLevel=ERROR", "-i", keys.privateKey, "-o", "IdentitiesOnly=yes"],
    ...options.flatMap((option) => ["-o", option]),
    ...[`root@${address}`, command],
  ]);
}

/** Waits until a host takes SSH logins, and returns the milliseconds it took. */
export async function untilSsh(keys: KeyPair, address: string): Promise<number> {
  const started = Date.now();
  const up = async (): Promise<boolean> => (await ssh(keys, address, "true")).exitCode === 0;
  await waitUntil(up, { deadline: 60_000, what: `SSH on ${address}`, interval: 50 });
  return Date.now() - started;
}

/** What every host of the lab said, to print beside a failed test. */
export async function evidence(): Promise<string> {
  const texts: string[] = [];
  for (const { id, name } of await ls(instance)) {
    const { dir } = await findHost(instance, String(id));
    const journal = join(dir, "upper", "var", "log", "journal");
    const console = readFileSync(consoleLog(instanceOf(instance), id), "utf8")
      .split("\n")
      .slice(-60)
      .join("\n");
    const log = await tryRun(["journalctl", "--no-pager", `--directory=${journal}`, "--lines=80"]);
    texts.push(`== console of ${name}\n${console}\n== journal of ${name}\n${log.stdout}${log.stderr}`);
  }
  texts.push(`== daemon\n${readFileSync(join(instanceOf(instance).stateDir, "daemon.log"), "utf8")}`);
  return texts.join("\n");
}
