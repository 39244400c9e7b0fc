import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The committed values that a host must reach, by what is measured. */
export const thresholdsFile = join(__dirname, "thresholds.json");

/** What is better: a lower number, or a higher one. */
export type Better = "lower" | "higher";

/** How a measurement compares with its threshold. */
export function compare(measured: number, threshold: number, better: Better): "equal" | "better" | "worse" {
  if (measured === threshold) return "equal";
  return measured < threshold === (better === "lower") ? "better" : "worse";
}

/**
 * Holds a measurement against its threshold. A worse one fails, always. A better one is told, with the command that writes it
 * down: another machine's kernel may be good for a point, so that alone is no failure.
 *
 * @throws AssertionError
 */
export function judge(what: string, measured: number, better: Better, file = thresholdsFile): void {
  const thresholds = JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
  const threshold = thresholds[what];
  assert.ok(threshold !== undefined && Number.isFinite(measured), `no threshold or no measurement for: ${what}`);
  const verdict = compare(measured, threshold, better);
  const numbers = `${what}: measured ${String(measured)}, threshold ${String(threshold)}, better is ${better}`;
  assert.notEqual(verdict, "worse", numbers);
  if (verdict === "better" && process.env["UPDATE_THRESHOLDS"] === "1") {
    writeFileSync(file, `${JSON.stringify({ ...thresholds, [what]: measured }, null, 2)}\n`);
  } else if (verdict === "better") {
    console.log(`${numbers}. Tighten it: UPDATE_THRESHOLDS=1 npm test judges`);
  }
}
