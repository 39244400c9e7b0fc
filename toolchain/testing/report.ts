import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { FileResult, TestResult } from "./results";

/** A whole run, for its report. */
export interface Whole {
  readonly tests: readonly TestResult[];
  readonly files: readonly FileResult[];
  readonly seconds: number;
  /** Seconds that the processors were busy meanwhile, with whatever. */
  readonly busy: number;
  readonly processors: number;
}

const DEAREST = 10;

/** How many tests passed; and how many failed, the flaky ones among them. */
export function countOf(tests: readonly TestResult[]): { readonly passed: number; readonly failed: number } {
  const passed = tests.filter(({ verdict }) => verdict === "passed").length;
  const skipped = tests.filter(({ verdict }) => verdict === "skipped").length;
  return { passed, failed: tests.length - passed - skipped };
}

/** What a run cost and what went wrong in it, as lines for people. */
export function tableOf({ tests, files, seconds, busy, processors }: Whole): string[] {
  const dearest = [...files].sort((left, right) => right.seconds - left.seconds);
  const share = seconds > 0 ? (100 * busy) / (seconds * processors) : 0;
  const slow = tests.filter(({ name }) => !name.includes(" › ")).sort((left, right) => right.seconds - left.seconds);
  const bad = tests.filter(({ verdict }) => verdict === "failed" || verdict === "flaky");
  return [
    "",
    row("seconds", "processor", "lane's", "waited", "file"),
    ...dearest.flatMap((file) => [
      row(number(file.seconds), number(file.cpu), number(file.laneCpu), number(file.waited), file.file),
      ...file.steps.map((step) =>
        row(number(step.seconds), step.cpu === undefined ? "" : number(step.cpu), "", "", `  ${step.step}`),
      ),
    ]),
    "",
    `the ${String(Math.min(DEAREST, slow.length))} dearest tests:`,
    ...slow.slice(0, DEAREST).map(({ seconds: took, name, file }) => `${number(took).padStart(9)}  ${name} (${file})`),
    ...attackTable(tests),
    "",
    `the processors were busy for ${number(busy)} s of ${String(processors)} × ${number(seconds)} s: ${share.toFixed(0)} %`,
    ...bad.map(({ verdict, name, file }) => `${verdict === "flaky" ? "FLAKY" : "FAILED"} ${name} (${file})`),
  ];
}

/** The attacks' table: each way of an attack is a test within a test. Nothing if none was tried. */
function attackTable(tests: readonly TestResult[]): string[] {
  const ways = tests.filter(
    ({ file, name, verdict }) => verdict !== "skipped" && file.startsWith("test/attacks/") && name.includes(" › "),
  );
  const line = (own: readonly TestResult[], what: string) => {
    const held = own.filter(({ verdict }) => verdict === "passed").length;
    return `${String(own.length).padStart(9)} ${String(held).padStart(9)}  ${what}`;
  };
  const files = [...new Set(ways.map(({ file }) => file))].sort();
  if (files.length === 0) return [];
  return [
    "",
    "    tried      held  attacks",
    ...files.map((name) =>
      line(
        ways.filter(({ file }) => file === name),
        name,
      ),
    ),
    line(ways, "all of them"),
  ];
}

function row(seconds: string, cpu: string, lane: string, waited: string, what: string): string {
  const numbers = [seconds, cpu, lane, waited].map((text) => text.padStart(9));
  return `${numbers.join(" ")}  ${what}`;
}

function number(seconds: number): string {
  return seconds.toFixed(1);
}

/** Writes junit.xml and results.json. What an earlier run left there goes. */
export function writeResults(folder: string, { tests, files, seconds }: Whole): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const results = { seconds, files, tests };
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, undefined, 1)}\n`);
  writeFileSync(join(folder, "junit.xml"), junit(tests, files));
}

function junit(tests: readonly TestResult[], files: readonly FileResult[]): string {
  const names = new Set([...files.map(({ file }) => file), ...tests.map(({ file }) => file)]);
  const suites = [...names].map((file) => {
    const own = tests.filter((test) => test.file === file);
    const { failed } = countOf(own);
    const seconds = files.find((each) => each.file === file)?.seconds ?? 0;
    const skipped = own.filter(({ verdict }) => verdict === "skipped").length;
    const counts = `tests="${String(own.length)}" failures="${String(failed)}" skipped="${String(skipped)}"`;
    return [
      ` <testsuite name="${escape(file)}" ${counts} time="${seconds.toFixed(3)}">`,
      ...own.map(testcase),
      " </testsuite>",
    ].join("\n");
  });
  return ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", ...suites, "</testsuites>", ""].join("\n");
}

function testcase({ file, name, verdict, seconds, error = "" }: TestResult): string {
  const head = `  <testcase classname="${escape(file)}" name="${escape(name)}" time="${seconds.toFixed(3)}"`;
  if (verdict === "passed") return `${head}/>`;
  if (verdict === "skipped") return `${head}><skipped/></testcase>`;
  const [first = ""] = error.split("\n");
  return `${head}><failure type="${verdict}" message="${escape(first)}">${escape(error)}</failure></testcase>`;
}

/** Text in XML, without the control characters that XML has no way to write. */
function escape(text: string): string {
  const marks: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "").replace(/[&<>"]/g, (mark) => marks[mark] ?? "");
}

/** Seconds that files took the last time, by path: from a file of the cache, which may not be there. */
export function readSeconds(path: string): ReadonlyMap<string, number> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, number>));
  } catch {
    return new Map();
  }
}

/** Keeps what files took, those of earlier runs as well. */
export function writeSeconds(path: string, files: readonly FileResult[]): void {
  const known = new Map([...readSeconds(path), ...files.map(({ file, seconds }) => [file, seconds] as const)]);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(Object.fromEntries(known))}\n`);
}
