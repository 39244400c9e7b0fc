import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/** Seconds after which something is wrong: what is done under a lock takes milliseconds. */
const patience = 30;

/**
 * Does something while no other process does it: labs start and end beside each other. The kernel takes the lock back from one that
 * is killed (flock(1)).
 *
 * @param lock - file that stands for it
 * @throws Error if another process has it for 30 s
 */
export async function exclusively<T>(lock: string, work: () => T): Promise<T> {
  mkdirSync(dirname(lock), { recursive: true });
  const argv = ["--no-fork", "--timeout", String(patience), lock, "sh", "-c", "echo held; exec cat"];
  const holder = spawn("flock", argv, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(holder, "exit");
  try {
    const isHeld = await Promise.race([once(holder.stdout, "data").then(() => true), ended.then(() => false)]);
    if (!isHeld) {
      throw new Error(`another process has had ${lock} for ${String(patience)} s`);
    }
    return work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
