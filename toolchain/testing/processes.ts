import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { killGroup, processesOf, signal } from "../../lab/host/groups";
import { waitUntil } from "../../lab/run";
import { root } from "../paths";
import { capture } from "../process";
import { variables } from "./events";

/** Where this machine mounts its groups (cgroups); asked for once. */
let groupFolders: readonly string[] | undefined;

/** The processes of one test file: the one that was started, and all that came of it, whoever their parent is now. */
export class ProcessTree {
  /**
   * @param mark value of an environment variable by which the processes are found
   * @param group name of a group (cgroup) for them, by which those with another environment are found, too; its processor time is known
   */
  constructor(
    readonly mark: string,
    private readonly group?: string,
  ) {}

  /** The command that runs argv as the first of these processes. */
  command(argv: readonly string[]): readonly string[] {
    return this.group === undefined ? argv : [join(root, "lab/host/join-group.sh"), this.group, "max", ...argv];
  }

  /** Those that are alive. Hosts and labs that a test started aren't among them: their lane ends them. */
  pids(): number[] {
    // A run of tests within a test has marks that begin with the outer one's.
    const wanted = new RegExp(`(?:^|\0)${variables.mark}=${this.mark}(?:/|\0|$)`);
    const marked = readdirSync("/proc").filter(
      (entry) => /^\d+$/.test(entry) && wanted.test(read(`/proc/${entry}/environ`)),
    );
    const grouped = this.group === undefined ? [] : processesOf(this.group).map(({ pid }) => pid);
    return [...new Set([...marked.map(Number), ...grouped])].filter((pid) => !isOver(pid));
  }

  /** A list of them for people, as ps prints it. */
  async list(): Promise<string> {
    const pids = this.pids();
    if (pids.length === 0) return "no process is left";
    const columns = "pid,ppid,stat,etimes,time,wchan:20,args";
    return (await capture("ps", ["-o", columns, "--forest", "-ww", "-p", pids.join(",")])).stdout.trimEnd();
  }

  /** Ends them all, as a power cut does, those too that start meanwhile. */
  async kill(): Promise<void> {
    await waitUntil(
      () => {
        const alive = this.pids();
        for (const pid of alive) {
          signal(pid, "SIGKILL");
        }
        return alive.length === 0;
      },
      { deadline: 20_000, what: "a test's processes to end" },
    );
  }

  /** Processor seconds of all of them so far, or undefined where nobody counts them. */
  cpuSeconds(): number | undefined {
    if (this.group === undefined) return undefined;
    groupFolders ??= read("/proc/mounts")
      .split("\n")
      .map((line) => line.split(" "))
      .flatMap(([, mount = "", type = ""]) => (type.startsWith("cgroup") ? [mount] : []));
    for (const folder of groupFolders) {
      const nanoseconds = read(join(folder, this.group, "cpuacct.usage"));
      if (nanoseconds !== "") return Number(nanoseconds) / 1e9;
      const microseconds = /^usage_usec (\d+)/m.exec(read(join(folder, this.group, "cpu.stat")))?.[1];
      if (microseconds !== undefined) return Number(microseconds) / 1e6;
    }
    return undefined;
  }

  /** Removes the group, once the processes have ended. */
  async forget(): Promise<void> {
    if (this.group !== undefined) await killGroup(this.group);
  }
}

/** Seconds that this machine's processors were busy since it started, and how many it has. */
export function machineSeconds(): { readonly busy: number; readonly processors: number } {
  const lines = read("/proc/stat").split("\n");
  // user nice system idle iowait irq softirq steal, in hundredths of a second
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] = (lines[0] ?? "")
    .trim()
    .split(/ +/)
    .slice(1)
    .map(Number);
  return {
    busy: (user + nice + system + irq + soft) / 100,
    processors: lines.filter((line) => /^cpu\d/.test(line)).length,
  };
}

function isOver(pid: number): boolean {
  return !existsSync(`/proc/${String(pid)}`) || /^State:\s+[ZX]/m.test(read(`/proc/${String(pid)}/status`));
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // gone meanwhile, or another user's
  }
}
