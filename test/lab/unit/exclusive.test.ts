import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exclusively } from "../../../lab/exclusive";

const folder = mkdtempSync(join(tmpdir(), "monoclaw-exclusive-"));
const lock = join(folder, "lock");
after(() => {
  rmSync(folder, { recursive: true });
});

void test("what the work gives back or throws comes out, and the lock is free again", async () => {
  const names = ["a", "b", "c", "d"];
  assert.deepEqual(await Promise.all(names.map((name) => exclusively(lock, () => name))), names);
  const failing = exclusively(lock, () => {
    throw new Error("of the work");
  });
  await assert.rejects(failing, /of the work/);
  assert.equal(await exclusively(lock, () => "e"), "e");
});

void test("it waits for another process, and one that is killed keeps nobody out", async () => {
  const holder = spawn("flock", ["--no-fork", lock, "sh", "-c", "echo held; exec sleep 60"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  let isDone = false;
  const waiting = exclusively(lock, () => {
    isDone = true;
  });
  // Another lock is free meanwhile.
  await exclusively(`${lock}-2`, () => undefined);
  assert.equal(isDone, false);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  await waiting;
  assert.ok(isDone);
});
