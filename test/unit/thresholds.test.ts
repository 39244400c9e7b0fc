import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { judge } from "../judges/thresholds";

const folder = mkdtempSync(join(tmpdir(), "monoclaw-thresholds-"));
const file = join(folder, "thresholds.json");
after(() => {
  rmSync(folder, { recursive: true });
});

/** What becomes of a threshold of 5 for "noise" (lower is better) and "index" (higher is better). */
function judged(what: "noise" | "index", measured: number, update: boolean): { passes: boolean; threshold: number } {
  writeFileSync(file, JSON.stringify({ noise: 5, index: 5 }));
  process.env["UPDATE_THRESHOLDS"] = update ? "1" : "";
  let passes = true;
  try {
    judge(what, measured, what === "noise" ? "lower" : "higher", file);
  } catch {
    passes = false;
  } finally {
    delete process.env["UPDATE_THRESHOLDS"];
  }
  return { passes, threshold: (JSON.parse(readFileSync(file, "utf8")) as Record<string, number>)[what] ?? NaN };
}

void test("a threshold is met by its own value or a better one, and stays until it is tightened on purpose", () => {
  assert.deepEqual(judged("noise", 5, false), { passes: true, threshold: 5 });
  assert.deepEqual(judged("noise", 6, false), { passes: false, threshold: 5 });
  assert.deepEqual(judged("noise", 4, false), { passes: true, threshold: 5 });
  assert.deepEqual(judged("index", 4, false), { passes: false, threshold: 5 });
});

void test("an update tightens a threshold, and never loosens it", () => {
  assert.deepEqual(judged("noise", 4, true), { passes: true, threshold: 4 });
  assert.deepEqual(judged("index", 6, true), { passes: true, threshold: 6 });
  assert.deepEqual(judged("noise", 6, true), { passes: false, threshold: 5 });
  assert.deepEqual(judged("index", 4, true), { passes: false, threshold: 5 });
});

void test("what has no threshold or gave no number fails", () => {
  assert.deepEqual(judged("noise", NaN, true), { passes: false, threshold: 5 });
  writeFileSync(file, "{}");
  assert.throws(() => {
    judge("noise", 5, "lower", file);
  }, /no threshold/);
});
