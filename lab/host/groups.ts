import { spawn } from "node:child_process";
import { existsSync, openSync, closeSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { run, waitUntil } from "../run";

/** A live process of the machine. */
export interface Process {
  readonly pid: number;
  /** Name of its group, the cgroup that join-group.sh put it in. */
  readonly group: string;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended meanwhile
  }
}

/** All live processes in groups that `prefix` names or starts, e.g. `monoclaw-lab-dev` or `monoclaw-lab-dev-h12`. */
export function processesOf(prefix: string): Process[] {
  const found: Process[] = [];
  const pattern = new RegExp(`/(${prefix}(?:-[a-z0-9]+)?)(?:\\.scope)?(?:/|$)`, "m");
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) {
      continue;
    }
    const group = pattern.exec(read(`/proc/${entry}/cgroup`))?.[1];
    if (group !== undefined && !isZombie(entry)) {
      found.push({ pid: Number(entry), group });
    }
  }
  return found;
}

function isZombie(pid: string): boolean {
  return /^State:\s+[ZX]/m.test(read(`/proc/${pid}/status`));
}

/** PID (as this machine sees it) of the first process inside the container that runs in `group`, or undefined. */
export function initOf(group: string): number | undefined {
  const inits = processesOf(group)
    .filter((process) => process.group === group)
    .map(({ pid }) => {
      const ids = /^NSpid:\s+(.*)$/m.exec(read(`/proc/${String(pid)}/status`))?.[1]?.split(/\s+/) ?? [];
      return { pid, depth: ids.length, inner: ids.at(-1) };
    })
    .filter(({ depth, inner }) => depth > 1 && inner === "1")
    .sort((a, b) => a.depth - b.depth);
  return inits[0]?.pid;
}

/** A group to start a program in, and the memory that it may take (GB; without a number as much as there is). */
export type NewGroup = string | { readonly group: string; readonly memory: number };

/** Starts a program in a group of its own, detached from this process; its output goes to `log`. Returns its PID. */
export function spawnGroup(into: NewGroup, argv: readonly string[], log: string, env: NodeJS.ProcessEnv = {}): number {
  const { group, memory } = typeof into === "string" ? { group: into, memory: "max" } : into;
  const output = openSync(log, "a", 0o600);
  try {
    const child = spawn(join(__dirname, "join-group.sh"), [group, String(memory), ...argv], {
      detached: true,
      stdio: ["ignore", output, output],
      cwd: "/",
      env: { PATH: process.env.PATH, ...env },
    });
    child.unref();
    if (child.pid === undefined) {
      throw new Error(`could not start ${argv.join(" ")}`);
    }
    return child.pid;
  } finally {
    closeSync(output);
  }
}

/** Ends every process of a group at once, as a power cut does, and removes the group. */
export async function killGroup(group: string): Promise<void> {
  await waitUntil(
    () => {
      const alive = processesOf(group).filter((process) => process.group === group);
      for (const { pid } of alive) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // ended by itself meanwhile
        }
      }
      return alive.length === 0;
    },
    { deadline: 20_000, what: `the processes of ${group} to end` },
  );
  await removeGroup(group);
}

/** Whether join-group.sh makes groups in this hierarchy. */
function holdsGroups(type: string, options: string): boolean {
  return type === "cgroup2" || (type === "cgroup" && /name=systemd|\bmemory\b/.test(options));
}

async function removeGroup(group: string): Promise<void> {
  const mounts = read("/proc/mounts").split("\n");
  for (const line of mounts) {
    const [, mount = "", type = "", options = ""] = line.split(" ");
    if (holdsGroups(type, options) && existsSync(join(mount, group))) {
      // The kernel lets go of a cgroup a moment after its last process.
      await waitUntil(() => removeTree(join(mount, group)), { deadline: 5_000, what: `${mount}/${group} to be free` });
    }
  }
  if (existsSync("/run/systemd/system")) {
    const state = await run(["systemctl", "show", "--property=ActiveState", "--value", `${group}.scope`]);
    if (state.trim() !== "inactive") {
      await run(["systemctl", "stop", `${group}.scope`]);
    }
  }
}

function removeTree(dir: string): boolean {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory() && !removeTree(join(dir, entry.name))) {
        return false;
      }
    }
    rmdirSync(dir);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") {
      return true;
    }
    if (code === "EBUSY") {
      return false;
    }
    throw error;
  }
}

/** Names of all groups of a lab, those without live processes too. */
export function groupsOf(prefix: string): string[] {
  const names = new Set(processesOf(prefix).map(({ group }) => group));
  for (const line of read("/proc/mounts").split("\n")) {
    const [, mount = "", type = "", options = ""] = line.split(" ");
    if (holdsGroups(type, options)) {
      for (const entry of readdirSync(mount)) {
        if (entry.startsWith(`${prefix}-`)) {
          names.add(entry);
        }
      }
    }
  }
  return [...names].sort();
}
