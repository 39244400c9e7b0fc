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

/** Which group of a lab's a process is in now, if it lives: `prefix` names or starts the group. */
function groupOf(pid: string, prefix: string): string | undefined {
  const pattern = new RegExp(`/(${prefix}(?:-[a-z0-9]+)?)(?:\\.scope)?(?:/|$)`, "m");
  const group = pattern.exec(read(`/proc/${pid}/cgroup`))?.[1];
  return group === undefined || isZombie(pid) ? undefined : group;
}

/** Processes found before, by what they were looked for: to look at one costs far less than to look at all. */
const found = new Map<string, number>();

/** The process that was found last time, if it is still right; else what the search finds now. */
function remembered(
  key: string,
  isRight: (pid: number) => boolean,
  search: () => number | undefined,
): number | undefined {
  const known = found.get(key);
  if (known !== undefined && isRight(known)) {
    return known;
  }
  const pid = search();
  if (pid === undefined) {
    found.delete(key);
  } else {
    found.set(key, pid);
  }
  return pid;
}

/** Whether any process of a group lives. */
export function isAlive(group: string): boolean {
  const isIn = (pid: number): boolean => groupOf(String(pid), group) === group;
  return (
    remembered(`any of ${group}`, isIn, () => processesOf(group).find((process) => process.group === group)?.pid) !==
    undefined
  );
}

/** All live processes in groups that `prefix` names or starts, e.g. `monoclaw-lab-dev` or `monoclaw-lab-dev-h12`. */
export function processesOf(prefix: string): Process[] {
  return readdirSync("/proc").flatMap((entry) => {
    const group = /^\d+$/.test(entry) ? groupOf(entry, prefix) : undefined;
    return group === undefined ? [] : [{ pid: Number(entry), group }];
  });
}

function isZombie(pid: string): boolean {
  return /^State:\s+[ZX]/m.test(read(`/proc/${pid}/status`));
}

/** PID (as this machine sees it) of the first process inside the container that runs in `group`, or undefined. */
export function initOf(group: string): number | undefined {
  const isIn = (pid: number): boolean => groupOf(String(pid), group) === group && depthAsFirst(pid) > 0;
  return remembered(`init of ${group}`, isIn, () => {
    const inits = processesOf(group)
      .filter((process) => process.group === group)
      .map(({ pid }) => ({ pid, depth: depthAsFirst(pid) }))
      .filter(({ depth }) => depth > 0)
      .sort((a, b) => a.depth - b.depth);
    return inits[0]?.pid;
  });
}

/** How many PID namespaces deep a process is the first one; 0 if it is none's first. */
function depthAsFirst(pid: number): number {
  const ids = /^NSpid:\s+(.*)$/m.exec(read(`/proc/${String(pid)}/status`))?.[1]?.split(/\s+/) ?? [];
  return ids.length > 1 && ids.at(-1) === "1" ? ids.length : 0;
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
        signal(pid, "SIGKILL");
      }
      return alive.length === 0;
    },
    { deadline: 20_000, what: `the processes of ${group} to end` },
  );
  await removeGroup(group);
}

/** Makes the processes of a group stand still while something is done: their files don't change meanwhile. */
export async function whilePaused(group: string, work: () => Promise<unknown>): Promise<void> {
  const told = new Set<number>();
  const areStill = (): boolean => {
    const moving = processesOf(group)
      .map(({ pid }) => ({ pid, state: stateOf(pid) }))
      .filter(({ state }) => state.toUpperCase() !== "T");
    // One that waits in the kernel does nothing but stop after it, e.g. the parent of a vfork whose child stopped.
    const areWaiting = moving.every(({ pid, state }) => told.has(pid) && state === "D");
    // The oldest first, for parents: one that runs would notice that its child stopped, and some act on it.
    for (const { pid } of moving.sort((a, b) => a.pid - b.pid)) {
      told.add(pid);
      signal(pid, "SIGSTOP");
    }
    return areWaiting;
  };
  try {
    await waitUntil(areStill, { deadline: 5_000, what: `the processes of ${group} to stand still`, interval: 1 });
    await work();
  } finally {
    resume([...told]);
  }
}

/** Lets all processes of a group go on. */
export function resumeGroup(group: string): void {
  resume(processesOf(group).map(({ pid }) => pid));
}

/** The youngest first, so that no parent finds its child stopped. */
function resume(pids: readonly number[]): void {
  for (const pid of [...pids].sort((a, b) => b - a)) {
    signal(pid, "SIGCONT");
  }
}

function stateOf(pid: number): string {
  return /^State:\s+(\S)/m.exec(read(`/proc/${String(pid)}/status`))?.[1] ?? "T";
}

/** Signals a process, unless it has ended by itself since it was listed. */
export function signal(pid: number, name: NodeJS.Signals | number): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
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
