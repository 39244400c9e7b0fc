import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hostDir, hostGroup } from "./host/driver";
import { initOf } from "./host/groups";
import { ipv6Address } from "./host/spec";
import { Instance, InstanceName, instanceOf } from "./instances";
import { Result, tryRun } from "./run";
import { LabState, Server } from "./state";

/** One host as `ls` shows it. */
export interface HostInfo {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly image: string;
  readonly created: string;
  /** PID of the host's first process on this machine. */
  readonly pid: number | undefined;
  /** Folder with the host's disk and console log. */
  readonly dir: string;
}

function readState(instance: Instance): LabState | undefined {
  try {
    return JSON.parse(readFileSync(join(instance.stateDir, "state.json"), "utf8")) as LabState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined; // no lab, or one without any resource yet
    }
    throw error;
  }
}

function describe(instance: Instance, state: LabState, server: Server): HostInfo {
  const address = (type: string): string | undefined =>
    state.primaryIps.find((ip) => ip.assignee === server.id && ip.type === type)?.ip;
  const network = address("ipv6");
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    created: server.created,
    ipv4: address("ipv4"),
    ipv6: network === undefined ? undefined : ipv6Address(network),
    image: server.base,
    pid: initOf(hostGroup(instance, server.id)),
    dir: hostDir(instance, server.id),
  };
}

/** The hosts of a lab, by name. */
export function ls(name: InstanceName = "dev"): Promise<HostInfo[]> {
  const instance = instanceOf(name);
  const state = readState(instance);
  const servers = [...(state?.servers ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  return Promise.resolve(state === undefined ? [] : servers.map((server) => describe(instance, state, server)));
}

/** One host by name or number; the error names those that there are. */
export async function findHost(name: InstanceName, host: string): Promise<HostInfo> {
  const hosts = await ls(name);
  const found = hosts.find((candidate) => candidate.name === host) ?? hosts.find(({ id }) => String(id) === host);
  if (found === undefined) {
    const names = hosts.length === 0 ? "it has none" : `it has ${hosts.map((candidate) => candidate.name).join(", ")}`;
    throw new Error(`lab ${name} has no host '${host}': ${names}`);
  }
  return found;
}

/** The command that runs `argv` as root inside a running host. */
async function enter(name: InstanceName, host: string, argv: readonly string[], terminal: boolean): Promise<string[]> {
  const { pid, name: label, status } = await findHost(name, host);
  if (pid === undefined) {
    throw new Error(`host '${label}' is ${status}: there is nothing to enter`);
  }
  const environment = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...["HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8"],
    ...(terminal ? [`TERM=${process.env.TERM ?? "xterm"}`] : []),
  ];
  const namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"];
  // A shell outside of the host's PID namespace waits for the program. nsenter would stop itself once it sees its program
  // stopped, as a host that shuts down stops all of its processes, and then the host waits for ever to be rid of it.
  const command = [
    ...["nsenter", "--target", String(pid), "--no-fork", ...namespaces, "--"],
    ...["env", "--ignore-environment", ...environment],
    ...["sh", "-c", '"$@"; exit "$?"', "sh"],
  ];
  // A terminal of the machine has no name inside the host: script makes one there.
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return [...command, ...(terminal ? ["script", "--quiet", "--return", "--command", quoted, "/dev/null"] : argv)];
}

/**
 * Runs a program as root inside a host, without SSH.
 *
 * @param host - name or number
 * @param argv - program and arguments; no shell looks at them
 */
export async function exec(
  name: InstanceName,
  host: string,
  argv: readonly string[],
  options: { readonly input?: string | Buffer } = {},
): Promise<Result> {
  return tryRun(await enter(name, host, argv, false), options);
}

/** Like {@link exec}, with this process's own input and outputs. Returns the exit code. */
export async function execHere(name: InstanceName, host: string, argv: readonly string[]): Promise<number> {
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  const [program = "", ...args] = await enter(name, host, argv, terminal);
  const child = spawn(program, args, { stdio: "inherit" });
  // Ctrl-C goes to the program inside, which decides.
  process.on("SIGINT", () => undefined);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve(code ?? (signal === "SIGKILL" ? 137 : 143));
    });
  });
}
