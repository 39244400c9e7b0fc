import { existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { exclusively } from "../exclusive";
import { cacheDir, Instance } from "../instances";
import { run, tryRun, waitUntil } from "../run";
import { fabricUplink } from "./firewall";
import { killGroup, processesOf, spawnGroup } from "./groups";

/** The process group whose one process holds the lab's network namespace, the fabric. */
export function fabricGroup(instance: Instance): string {
  return `${instance.group}-fabric`;
}

/** PID of the process that holds the fabric, or undefined if the lab's network is down. */
export function fabricPid(instance: Instance): number | undefined {
  return processesOf(fabricGroup(instance))[0]?.pid;
}

/** Runs a program inside the fabric. */
export async function inFabric(instance: Instance, argv: readonly string[], input?: string): Promise<string> {
  const pid = fabricPid(instance);
  if (pid === undefined) {
    throw new Error(`lab ${instance.name}: the network is down`);
  }
  const command = ["nsenter", `--net=/proc/${String(pid)}/ns/net`, "--", ...argv];
  return run(command, input === undefined ? {} : { input });
}

/** True if the fabric, its cable to the machine and the machine's table are all there. */
async function isNetworkUp(instance: Instance): Promise<boolean> {
  if (fabricPid(instance) === undefined) {
    return false;
  }
  const link = await tryRun(["ip", "link", "show", "dev", instance.uplink]);
  const table = await tryRun(["nft", "list", "table", "inet", instance.table]);
  return link.exitCode === 0 && table.exitCode === 0;
}

/**
 * Makes the lab's network: a namespace of its own that routes between hosts and filters (kernels without bridge conntrack can't
 * filter statefully on a bridge, and forwarding IPv6 would change the whole machine), and one cable to the machine, which does NAT.
 * Returns false if it was there already.
 */
export async function ensureNetwork(instance: Instance, log: string): Promise<boolean> {
  if (await isNetworkUp(instance)) {
    // A lab of older code let its hosts reach other ports.
    await run(["nft", "-f", "-"], { input: machineTable(instance) });
    return false;
  }
  await removeNetwork(instance);
  spawnGroup(fabricGroup(instance), ["unshare", "--net", "--", "sleep", "infinity"], log);
  const pid = await waitUntil(
    () => processesOf(fabricGroup(instance)).find((process) => isOtherNetwork(process.pid))?.pid,
    { deadline: 5_000, what: "the lab's network namespace" },
  );
  const { prefix4, prefix6, uplink } = instance;
  await inFabric(instance, ["sysctl", "-q", "-w", ...fabricSettings]);
  await run(["ip", "link", "add", uplink, "type", "veth", "peer", "name", fabricUplink, "netns", String(pid)]);
  const links = (lines: readonly string[]): string => `${lines.join("\n")}\n`;
  await inFabric(
    instance,
    ["ip", "-batch", "-"],
    links([
      "link set lo up",
      `address add ${prefix4}.2/30 dev ${fabricUplink}`,
      `address add ${prefix6}::2/126 dev ${fabricUplink} nodad`,
      `link set ${fabricUplink} up`,
      `route add default via ${prefix4}.1`,
      `route add default via ${prefix6}::1`,
      // Addresses that no host has must not travel between fabric and machine for ever.
      `route add unreachable ${prefix4}.0/24`,
      `route add unreachable ${prefix6}::/48`,
    ]),
  );
  await run(["ip", "-batch", "-"], {
    input: links([
      `address add ${prefix4}.1/30 dev ${uplink}`,
      `address add ${prefix6}::1/126 dev ${uplink} nodad`,
      `link set ${uplink} up`,
      `route add ${prefix4}.0/24 via ${prefix4}.2`,
      `route add ${prefix6}::/48 via ${prefix6}::2`,
    ]),
  });
  await run(["sysctl", "-q", "-w", `net.ipv4.conf.${uplink}.forwarding=1`]);
  await run(["nft", "-f", "-"], { input: machineTable(instance) });
  await allowForwarding(instance.uplink);
  return true;
}

const fabricSettings = [
  "net.ipv4.ip_forward=1",
  "net.ipv6.conf.all.forwarding=1",
  "net.ipv6.conf.default.accept_ra=0",
  "net.ipv4.conf.all.rp_filter=0",
  "net.ipv4.conf.default.rp_filter=0",
  "net.ipv4.conf.all.send_redirects=0",
  "net.ipv4.conf.default.send_redirects=0",
];

/** Whether a process has another network than this one. */
export function isOtherNetwork(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${String(pid)}/ns/net`) !== readlinkSync("/proc/self/ns/net");
  } catch {
    return false; // ended meanwhile
  }
}

/** What the machine does for the lab: NAT to the outside, and little of itself to be reached from hosts. */
function machineTable({ table, uplink, prefix4, metadataPort, tailnetPort, controlPort, relayPort }: Instance): string {
  const ports = [metadataPort, tailnetPort, controlPort, relayPort].join(", ");
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${prefix4}.0/24 oifname != "${uplink}" masquerade
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${uplink}" oifname "mclab-*" drop
    iifname "${uplink}" accept
    oifname "${uplink}" ct state established,related accept
    oifname "${uplink}" drop
  }

  chain input {
    type filter hook input priority filter; policy accept;
    iifname != "${uplink}" accept
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    ip daddr ${prefix4}.1 tcp dport { ${ports} } accept
    ip daddr ${prefix4}.1 udp dport ${String(relayPort)} accept
    drop
  }
}
`;
}

/** Takes away everything that {@link ensureNetwork} made, whatever is left of it. */
export async function removeNetwork(instance: Instance): Promise<void> {
  await killGroup(fabricGroup(instance));
  // The kernel removes the cable with the namespace, a moment later; a leftover of a crashed set-up has no namespace.
  if ((await tryRun(["ip", "link", "show", "dev", instance.uplink])).exitCode === 0) {
    await tryRun(["ip", "link", "delete", "dev", instance.uplink]);
    await waitUntil(async () => (await tryRun(["ip", "link", "show", "dev", instance.uplink])).exitCode !== 0, {
      deadline: 5_000,
      what: `interface ${instance.uplink} to go`,
    });
  }
  if ((await tryRun(["nft", "list", "table", "inet", instance.table])).exitCode === 0) {
    await run(["nft", "delete", "table", "inet", instance.table]);
  }
  await restoreForwarding(instance.uplink);
}

/** Interfaces of the machine whose forwarding the labs switched on, with what was there before. */
interface ForwardingRecord {
  /** Changes with each boot of the machine, and the settings with it. */
  readonly boot: string;
  readonly interfaces: Record<string, { original: string; users: string[] }>;
}

const recordPath = (): string => join(cacheDir(), "lab", "forwarding.json");
/** Labs start and end beside each other, and each changes the same record and the same settings. */
const lockPath = (): string => join(cacheDir(), "lab", "forwarding.lock");
const forwardingPath = (name: string): string => `/proc/sys/net/ipv4/conf/${name}/forwarding`;

function readRecord(): ForwardingRecord {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  if (existsSync(recordPath())) {
    const record = JSON.parse(readFileSync(recordPath(), "utf8")) as ForwardingRecord;
    if (record.boot === boot) {
      return record;
    }
  }
  return { boot, interfaces: {} };
}

function writeRecord(record: ForwardingRecord): void {
  if (Object.keys(record.interfaces).length === 0) {
    rmSync(recordPath(), { force: true });
    return;
  }
  mkdirSync(dirname(recordPath()), { recursive: true });
  const whole = `${recordPath()}.new`;
  writeFileSync(whole, JSON.stringify(record, undefined, 2));
  renameSync(whole, recordPath());
}

/**
 * The interface to the outside must forward answers: a setting of the machine, so it is written down before.
 *
 * @param user - the interface for which it must
 */
export async function allowForwarding(user: string): Promise<void> {
  const routes = JSON.parse(await run(["ip", "-4", "-json", "route", "show", "default"])) as { dev: string }[];
  await exclusively(lockPath(), () => {
    const record = readRecord();
    for (const name of new Set(routes.map((route) => route.dev))) {
      const present = readFileSync(forwardingPath(name), "utf8").trim();
      if (present === "1" && record.interfaces[name] === undefined) {
        continue; // nobody has to put it back
      }
      const entry = (record.interfaces[name] ??= { original: present, users: [] });
      entry.users = [...new Set([...entry.users, user])];
      writeRecord(record);
      if (present !== "1") {
        writeFileSync(forwardingPath(name), "1");
      }
    }
  });
}

/** Puts the setting back once nobody needs it any more. */
export async function restoreForwarding(user: string): Promise<void> {
  await exclusively(lockPath(), () => {
    const record = readRecord();
    for (const [name, entry] of Object.entries(record.interfaces)) {
      entry.users = entry.users.filter((other) => other !== user);
      if (entry.users.length === 0) {
        if (existsSync(forwardingPath(name))) {
          writeFileSync(forwardingPath(name), entry.original);
        }
        // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a record keyed by interface
        delete record.interfaces[name];
      }
    }
    writeRecord(record);
  });
}
