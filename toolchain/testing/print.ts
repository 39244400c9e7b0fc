import type { TestResult } from "./results";

/** Prints a line. */
export type Print = (line: string) => void;

/** A test that ended, as lines for people: the whole error of one that failed. */
export function testLines({ file, name, verdict, seconds, error }: TestResult): string[] {
  const word = { passed: "ok", failed: "FAIL", skipped: "skip", flaky: "FLAKY" }[verdict];
  const where = file.replace(/^test\//, "").replace(/\.test\.ts$/, "");
  const lines = [`${word.padEnd(5)} ${seconds.toFixed(2).padStart(7)} s  ${where}: ${name}`];
  if (verdict === "failed" && error !== undefined) lines.push(...error.split("\n").map((line) => `      ${line}`));
  return lines;
}
