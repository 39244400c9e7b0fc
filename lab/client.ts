import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { delimiter, join } from "node:path";
import { Identity } from "./api/app";
import { groupsOf, killGroup, processesOf, signal, spawnGroup } from "./host/groups";
import { baseFor, ensureBase } from "./host/image";
import { suites } from "./host/suites";
import { removeNetwork } from "./host/network";
import { Instance, InstanceName, instanceOf, labToken } from "./instances";
import { labPackages, labPrograms } from "./packages";
import { messageOf, removeTrees, waitUntil } from "./run";
import { codeVersion } from "./version";

export { exec, ls } from "./hosts";
export type { HostInfo } from "./hosts";
export type { Result as ExecResult } from "./run";
export type { InstanceName } from "./instances";

/** Which lab, and where its progress lines go. */
export interface LabOptions {
  /** @default "dev" */
  readonly instance?: InstanceName;
  /** Called with one line for each step of something long. @default prints to stderr */
  readonly progress?: (line: string) => void;
}

/** How to reach a lab: what the provider's `endpoint` and `token` are set to. */
export interface LabAccess {
  readonly endpoint: string;
  readonly token: string;
}

const toStderr = (line: string): void => {
  console.error(line);
};

/** Where the daemon of a lab prints. */
export function daemonLog(instance: Instance): string {
  return join(instance.stateDir, "daemon.log");
}

const daemonGroup = (instance: Instance): string => `${instance.group}-daemon`;

/** Who answers on the lab's port, or undefined if nobody listens. Throws if it is no lab. */
async function identify(instance: Instance): Promise<Identity | undefined> {
  const body = await new Promise<string | undefined>((resolve, reject) => {
    const url = `http://127.0.0.1:${String(instance.port)}/lab`;
    const headers = { authorization: `Bearer ${labToken}` };
    // Without an agent: a kept connection to a daemon that has ended would look like no daemon.
    const call = request(url, { headers, timeout: 30_000, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        resolve(text);
      });
    });
    call.on("timeout", () => call.destroy(new Error("no answer in 30 s")));
    call.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ECONNRESET") {
        resolve(undefined);
      } else {
        reject(new Error(`lab ${instance.name}: port ${String(instance.port)}: ${error.message}`));
      }
    });
    call.end();
  });
  if (body === undefined) {
    return undefined;
  }
  try {
    const identity = JSON.parse(body) as Partial<Identity>;
    if (typeof identity.checkout === "string" && typeof identity.pid === "number") {
      return identity as Identity;
    }
  } catch {
    // not JSON: the error below says it
  }
  throw new Error(
    `lab ${instance.name}: port ${String(instance.port)} is used by a program that is not the lab. ` +
      `'ss -ltnp sport = :${String(instance.port)}' names it; stop it and try again.`,
  );
}

function refuseForeign(instance: Instance, identity: Identity): void {
  if (identity.checkout !== instance.checkout) {
    throw new Error(
      `lab ${instance.name} already runs for another checkout: ${identity.checkout}. ` +
        `Stop it with: cd '${identity.checkout}' && npm run lab -- down --instance ${instance.name}`,
    );
  }
}

function checkMachine(): void {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new Error(
      "the lab needs Linux and root: it runs containers, networks and packet filters. " +
        "Run this as root, or make a stack on a real server at Hetzner: see docs/hetzner.md.",
    );
  }
  const folders = (process.env.PATH ?? "").split(delimiter);
  const missing = labPrograms.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  if (missing.length > 0) {
    throw new Error(
      `the lab needs these programs: ${missing.join(", ")}. ` +
        `Install them with: apt-get install --no-install-recommends ${labPackages.join(" ")}`,
    );
  }
}

/** Makes sure that a lab of this checkout is up and current, and returns how to reach it. Needs root. */
export async function ensureLab(options: LabOptions = {}): Promise<LabAccess> {
  const instance = instanceOf(options.instance ?? "dev");
  const progress = options.progress ?? toStderr;
  const access = { endpoint: instance.endpoint, token: labToken };
  const running = await identify(instance);
  if (running !== undefined) {
    refuseForeign(instance, running);
  }
  const isReady = running !== undefined && readyPid(instance) === running.pid;
  // The image that stacks have by default; another one is built when a server first asks for it.
  const suite = Object.values(suites)[0] ?? "";
  const hasBase = existsSync(baseFor(suite).rootfs);
  if (isReady && hasBase && running.version === codeVersion()) {
    return access;
  }
  checkMachine();
  await ensureBase(suite, progress);
  if (running !== undefined && running.version !== codeVersion()) {
    progress(`lab ${instance.name}: its code changed, starting the daemon anew`);
    await stopDaemon(instance);
  }
  await startDaemon(instance, progress);
  return access;
}

function readyPid(instance: Instance): number | undefined {
  const path = join(instance.stateDir, "ready");
  return existsSync(path) ? Number(readFileSync(path, "utf8")) : undefined;
}

async function startDaemon(instance: Instance, progress: (line: string) => void): Promise<void> {
  const started = Date.now();
  mkdirSync(instance.stateDir, { recursive: true, mode: 0o700 });
  const node = [process.execPath, "--import", require.resolve("tsx")];
  const argv = [...node, join(__dirname, "daemon.ts"), "--instance", instance.name];
  const home = { HOME: process.env.HOME, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME };
  const pid = spawnGroup(daemonGroup(instance), argv, daemonLog(instance), home);
  try {
    await waitUntil(
      async () => {
        const running = await identify(instance);
        if (running !== undefined && readyPid(instance) === running.pid) {
          refuseForeign(instance, running);
          return true;
        }
        if (!existsSync(`/proc/${String(pid)}`) && running === undefined) {
          throw new Error("the daemon ended");
        }
        return false;
      },
      { deadline: 30_000, what: "the lab's daemon to be ready", interval: 30 },
    );
  } catch (error) {
    signal(pid, "SIGTERM");
    const tail = readFileSync(daemonLog(instance), "utf8").trim().split("\n").slice(-8).join("\n");
    throw new Error(
      `lab ${instance.name} did not start: ${messageOf(error)}. Its log, ${daemonLog(instance)}:\n${tail}`,
    );
  }
  progress(`lab ${instance.name}: up on ${instance.endpoint} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
}

/** How long a lab may take to be saved or loaded: a moment, or the time of copying its disks to another file system. */
const checkpointDeadline = 120_000;

async function checkpoint(name: InstanceName, what: "save" | "load", body: object): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${String(instanceOf(name).port)}/lab/${what}`, {
    method: "POST",
    headers: { authorization: `Bearer ${labToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(checkpointDeadline),
  });
  if (!response.ok) {
    throw new Error(`lab ${name}: ${what}: ${String(response.status)} ${await response.text()}`);
  }
}

/** Moves all of a lab whose hosts are off into a folder that doesn't exist yet; the lab is empty afterwards. */
export async function saveLab(name: InstanceName, folder: string): Promise<void> {
  await checkpoint(name, "save", { folder });
}

/**
 * Makes a lab what it was when {@link saveLab} saved it, and boots its hosts. What it is now is lost.
 *
 * @param folder - of the checkpoint; without one the lab is empty afterwards
 * @param bootArguments - for the init of each host, e.g. `systemd.mask=openclaw.service`
 */
export async function loadLab(
  name: InstanceName,
  folder?: string,
  bootArguments: readonly string[] = [],
): Promise<void> {
  await checkpoint(name, "load", { folder, bootArguments });
}

/** Ends the daemon only; hosts go on. */
async function stopDaemon(instance: Instance): Promise<void> {
  const group = daemonGroup(instance);
  for (const { pid } of processesOf(group)) {
    signal(pid, "SIGTERM");
  }
  const isGone = (): boolean => processesOf(group).length === 0;
  // One that doesn't end by itself has hung: take it down.
  await waitUntil(isGone, { deadline: 10_000, what: "the daemon to end" }).catch(() => undefined);
  await killGroup(group);
  rmSync(join(instance.stateDir, "ready"), { force: true });
}

/** Takes a lab down: daemon, hosts and their disks, network, packet filters. The base image stays in the cache. */
export async function stopLab(options: LabOptions = {}): Promise<void> {
  const instance = instanceOf(options.instance ?? "dev");
  checkMachine();
  const running = await identify(instance);
  if (running !== undefined) {
    refuseForeign(instance, running);
  }
  await stopDaemon(instance);
  for (const group of groupsOf(instance.group)) {
    await killGroup(group);
  }
  await removeNetwork(instance);
  await removeTrees([instance.stateDir]);
}
