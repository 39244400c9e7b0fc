import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../../toolchain/paths";

// What a person sees who runs tests in a terminal, and presses Ctrl-C.

const DEADLINE_MS = 50_000;
let started: ChildProcess | undefined;

/** Whether there is a process of this group. */
function isThere(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

/** A run in a process group of its own, as a shell gives it. */
function start(...args: string[]) {
  const child = spawn(join(root, "toolchain/run"), args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  started = child;
  let said = "";
  const hear = (data: Buffer) => {
    said += data.toString();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const ended = once(child, "exit") as Promise<[code: number | null, signal: string | null]>;
  return {
    /** Waits for these words, and gives back all that was said until then. */
    says: async (words: RegExp) => {
      const end = Date.now() + DEADLINE_MS;
      while (!words.test(said)) {
        await sleep(50);
        assert.ok(Date.now() < end && child.exitCode === null, `it doesn't say ${String(words)}:\n${said}`);
      }
      return said;
    },
    /** Ctrl-C: what a terminal sends to all of the group. */
    interrupt: async () => {
      process.kill(-(child.pid ?? 0), "SIGINT");
      const [code, signal] = await ended;
      return { code, signal, said };
    },
    /** Waits until nothing of its group runs any more: what it started hears of the end a moment later. */
    gone: async () => {
      const end = Date.now() + DEADLINE_MS;
      while (isThere(child.pid ?? 0)) {
        await sleep(20);
        assert.ok(Date.now() < end, "something of it still runs");
      }
    },
  };
}

afterEach(() => {
  if (started?.exitCode === null && started.signalCode === null) process.kill(-(started.pid ?? 0), "SIGKILL");
});

void test("test:watch runs what a saved file concerns, waits for the next, and ends by Ctrl-C", async () => {
  const run = start("test:watch");
  await run.says(/waiting for a file to change/);
  const now = new Date();
  utimesSync(join(root, "test/unit/shell.test.ts"), now, now);
  const said = await run.says(/exit code 0; waiting for the next change/);
  assert.match(said, /test\/unit\/shell\.test\.ts/);
  assert.doesNotMatch(said, /test\/unit\/age\.test\.ts/);
  assert.match(said, /^\d+ passed, 0 failed$/m);
  const { code, signal } = await run.interrupt();
  assert.ok(code === 130 || signal === "SIGINT", `${String(code)} ${String(signal)}`);
  await run.gone();
});

void test("Ctrl-C ends a run of tests with its verdict, and leaves nothing behind", async () => {
  const run = start("test:unit", "components/undo");
  await run.says(/^ok +\S+ s +components\/undo/m);
  const { code, said } = await run.interrupt();
  assert.equal(code, 1, said);
  assert.match(said, /the run got SIGINT/);
  assert.match(said, /^\d+ passed, [1-9]\d* failed$/m);
  await run.gone();
});
