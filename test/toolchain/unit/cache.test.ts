import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { unlessPassed } from "../../../toolchain/cache";

const folder = mkdtempSync(join(tmpdir(), "monoclaw-cache-"));
after(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a check on content of this hash; tells whether it ran, and its exit code. */
async function run(hash: string, code: number, hashAfter = hash): Promise<{ ran: boolean; code: number | undefined }> {
  const hashes = [hash, hashAfter];
  let ran = false;
  const next = () => Promise.resolve(hashes.shift() ?? hashAfter);
  const result = await unlessPassed(join(folder, "made/passed"), next, () => {
    ran = true;
    return Promise.resolve(code);
  });
  return { ran, code: result };
}

void it("a check that passed isn't run again on the same content, and is on any other", async () => {
  assert.deepEqual(await run("a", 0), { ran: true, code: 0 });
  assert.deepEqual(await run("a", 1), { ran: false, code: undefined });
  assert.deepEqual(await run("b", 0), { ran: true, code: 0 });
});

void it("a check that failed is run again, and so is one whose content changed meanwhile", async () => {
  assert.deepEqual(await run("c", 1), { ran: true, code: 1 });
  assert.deepEqual(await run("c", 0, "d"), { ran: true, code: 0 });
  assert.deepEqual(await run("d", 0), { ran: true, code: 0 });
  assert.deepEqual(await run("c", 0), { ran: true, code: 0 });
});
