import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "./engine";

const NOTICE = "stand-in plugins (command, random, hcloud, tailscale): they only reach this machine and its lab";

/**
 * Says once per run of the engine that these are stand-ins. Several plugins run beside one another, and a run starts each of them anew
 * for the update after its preview, so the first one leaves a marker named after the engine's process.
 */
export async function announce(engine: Engine): Promise<void> {
  const folder = join(process.env["PULUMI_HOME"] ?? tmpdir(), "monoclaw-notices");
  const marker = `${String(process.ppid)}-${await startTime(process.ppid)}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, marker), "", { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw error;
  }
  engine.log().info(NOTICE);
  for (const other of await readdir(folder)) {
    const [pid, started] = other.split("-");
    if (started !== (await startTime(Number(pid)))) await rm(join(folder, other), { force: true });
  }
}

/** When a process started, in the kernel's ticks: tells two processes with the same id apart. Empty if it is gone. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
