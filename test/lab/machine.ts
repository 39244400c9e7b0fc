import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { instanceNames, instanceOf } from "../../lab/instances";
import { run } from "../../lab/run";
import { instance } from "./labHost";

/** What the lab could have changed on this machine, as sorted lines. */
export interface MachineState {
  readonly links: string[];
  readonly routes: string[];
  readonly tables: string[];
  readonly mounts: string[];
  readonly settings: string[];
  readonly groups: string[];
  readonly namespaces: string[];
  readonly processes: string[];
}

/** Names of the labs that others may start and stop meanwhile. */
const others = instanceNames
  .filter((name) => name !== instance)
  .flatMap((name) => {
    const { group, uplink, table, prefix4, prefix6 } = instanceOf(name);
    return [group, uplink, table, `${prefix4}.`, `${prefix6}:`];
  });

const ours = (line: string): boolean => line !== "" && !others.some((name) => line.includes(name));

async function lines(argv: readonly string[], pattern = /^(.*)$/): Promise<string[]> {
  const text = await run(argv);
  return text
    .split("\n")
    .flatMap((line) => pattern.exec(line)?.[1]?.trim() ?? [])
    .filter(ours)
    .sort();
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // ended meanwhile
  }
}

/** Looks at the machine. Processes: those that run from the lab's folders or in its groups. */
export async function machineState(): Promise<MachineState> {
  const { group, stateDir } = instanceOf(instance);
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const mine = pids.filter((pid) => {
    const command = read(`/proc/${pid}/cmdline`);
    if (/^State:\s+Z/m.test(read(`/proc/${pid}/status`))) {
      return false; // dead, and only waits for its parent to notice
    }
    return pid !== String(process.pid) && (read(`/proc/${pid}/cgroup`).includes(group) || command.includes(stateDir));
  });
  const cgroups = ["systemd", "unified", "."].flatMap((name) => {
    try {
      return readdirSync(`/sys/fs/cgroup/${name}`).filter((entry) => entry.includes(group));
    } catch {
      return [];
    }
  });
  return {
    links: await lines(["ip", "-brief", "link"], /^(\S+)/),
    routes: [
      ...(await lines(["ip", "-4", "route"])),
      ...(await lines(["ip", "-6", "route"], /^(.*?)(?: expires \d+sec.*)?$/)),
    ],
    tables: await lines(["nft", "list", "tables"]),
    // Somebody else may be building a base image meanwhile.
    mounts: read("/proc/self/mounts")
      .split("\n")
      .filter((line) => ours(line) && !line.includes(".building/"))
      .sort(),
    settings: await lines([
      "sysctl",
      "-a",
      "--pattern",
      "^net\\.ipv[46]\\.(conf\\.(all|default|eth.*)\\..*forward|ip_forward)",
    ]),
    groups: cgroups,
    namespaces: [readlinkSync("/proc/self/ns/net"), readlinkSync("/proc/self/ns/mnt")],
    processes: mine.map((pid) => `${pid} ${read(`/proc/${pid}/comm`).trim()}`),
  };
}
