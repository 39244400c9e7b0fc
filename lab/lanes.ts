import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { groupsOf, killGroup, processesOf, spawnGroup } from "./host/groups";
import { allowForwarding, isOtherNetwork, restoreForwarding } from "./host/network";
import { InstanceName, instanceOf } from "./instances";
import { removeTrees, run, tryRun, waitUntil } from "./run";

/**
 * A place on this machine for one more lab: a network namespace of its own, with a cable to the machine, which does NAT. Labs
 * in lanes have all the same addresses and ports and know nothing of one another, so a checkpoint of one can be loaded in any.
 */
export interface LabLane {
  /** The lab that belongs there. */
  readonly instance: InstanceName;
  /** PID of the process that holds the network. */
  readonly pid: number;
}

const laneGroup = (instance: InstanceName): string => `${instanceOf(instance).group}-lane`;
const cable = (instance: InstanceName): string => `mclane-${instance}`;
const table = (instance: InstanceName): string => `monoclaw_lane_${instance}`;
/** A /30 of each lane: the machine's end has .1, the lane's .2. */
const prefix = (instance: InstanceName): string => `10.78.${/\d+$/.exec(instance)?.[0] ?? "0"}`;

/** Makes lane NUMBER, 1 to 9; one that is there is taken away first, with its lab. */
export async function openLane(number: number): Promise<LabLane> {
  const instance = `test${String(number)}` as InstanceName;
  await closeLane(instance);
  const log = "/dev/null";
  spawnGroup(laneGroup(instance), ["unshare", "--net", "--", "sleep", "infinity"], log);
  const pid = await waitUntil(
    () => processesOf(laneGroup(instance)).find((process) => isOtherNetwork(process.pid))?.pid,
    {
      deadline: 5_000,
      what: `the network of lane ${instance}`,
    },
  );
  const name = cable(instance);
  const inner = `lane-${instance}`;
  await run(["ip", "link", "add", name, "type", "veth", "peer", "name", inner, "netns", String(pid)]);
  const batch = (lines: readonly string[]): { input: string } => ({ input: `${lines.join("\n")}\n` });
  await run(
    inLane(pid, ["ip", "-batch", "-"]),
    batch([
      "link set lo up",
      `address add ${prefix(instance)}.2/30 dev ${inner}`,
      `link set ${inner} up`,
      `route add default via ${prefix(instance)}.1`,
    ]),
  );
  // The lab there finds it as it wants it, and has nothing to put back.
  await run(inLane(pid, ["sysctl", "-q", "-w", `net.ipv4.conf.${inner}.forwarding=1`]));
  await run(["ip", "-batch", "-"], batch([`address add ${prefix(instance)}.1/30 dev ${name}`, `link set ${name} up`]));
  await run(["sysctl", "-q", "-w", `net.ipv4.conf.${name}.forwarding=1`]);
  await run(["nft", "-f", "-"], { input: machineTable(instance) });
  await allowForwarding(name);
  return { instance, pid };
}

/** The command that runs `argv` in the network of a lane. */
export function inLane(pid: number, argv: readonly string[]): string[] {
  return ["nsenter", `--net=/proc/${String(pid)}/ns/net`, "--", ...argv];
}

/** Ends every process of a lane's lab: daemon, hosts, tailnet; its network and its files stay. */
export async function haltLab(instance: InstanceName): Promise<void> {
  const { group } = instanceOf(instance);
  for (const name of groupsOf(group)) {
    if (name !== laneGroup(instance) && name !== `${group}-fabric`) {
      await killGroup(name);
    }
  }
}

/** Takes a lane away, with its lab and all that belongs to it. */
export async function closeLane(instance: InstanceName): Promise<void> {
  const { group, stateDir } = instanceOf(instance);
  for (const name of groupsOf(group)) {
    await killGroup(name);
  }
  const name = cable(instance);
  // The kernel removes the cable with the namespace, a moment later.
  if (existsSync(`/sys/class/net/${name}`)) {
    await tryRun(["ip", "link", "delete", "dev", name]);
    await waitUntil(() => !existsSync(`/sys/class/net/${name}`), { deadline: 5_000, what: `interface ${name} to go` });
  }
  if ((await tryRun(["nft", "list", "table", "inet", table(instance)])).exitCode === 0) {
    await run(["nft", "delete", "table", "inet", table(instance)]);
  }
  await restoreForwarding(name);
  await removeTrees([stateDir]);
}

/** Adds up the processor time that the groups of a lane's lab use, those that end meanwhile included. */
export class CpuMeter {
  private readonly last = new Map<string, number>();
  private total = 0;

  constructor(private readonly instance: InstanceName) {
    setInterval(() => this.seconds(), 2_000).unref();
  }

  /** Seconds since the meter was made; what a group used in the two seconds before its end may be missing. */
  seconds(): number {
    const root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) => existsSync(join(path, "cgroup.procs")));
    const { group } = instanceOf(this.instance);
    const names = root === undefined ? [] : readdirSync(root).filter((name) => name.startsWith(`${group}-`));
    for (const name of names) {
      const now = usageOf(join(root ?? "", name, "cpu.stat"));
      const before = this.last.get(name) ?? 0;
      // Less than before: another group of that name.
      this.total += now < before ? now : now - before;
      this.last.set(name, now);
    }
    return this.total / 1e6;
  }
}

/** Microseconds of processor time, as a cgroup's cpu.stat has them; 0 if the group has ended. */
function usageOf(file: string): number {
  return existsSync(file) ? Number(/^usage_usec (\d+)/m.exec(readFileSync(file, "utf8"))?.[1] ?? 0) : 0;
}

/** NAT to the outside; nothing of the machine, and no other lane or lab. */
function machineTable(instance: InstanceName): string {
  const name = cable(instance);
  return `table inet ${table(instance)}
delete table inet ${table(instance)}
table inet ${table(instance)} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${prefix(instance)}.0/30 oifname != "${name}" masquerade
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${name}" oifname { "mclane-*", "mclab-*" } drop
    iifname "${name}" accept
    oifname "${name}" ct state established,related accept
    oifname "${name}" drop
  }

  chain input {
    type filter hook input priority filter; policy accept;
    iifname != "${name}" accept
    ct state established,related accept
    meta l4proto icmp accept
    drop
  }
}
`;
}
