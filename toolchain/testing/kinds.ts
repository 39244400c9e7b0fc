import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What a test file must have for itself while it runs. */
export type Need = "nothing" | "lane" | "selftest";

/** How long tests may go without an event, and a file and its end may take, in milliseconds. */
export interface Deadlines {
  /** From one start or end of a test to the next. */
  readonly test: number;
  readonly file: number;
  /** From the end of the last test to the end of the process. */
  readonly end: number;
}

// Need neither root, nor a network, nor an engine.
const UNIT = ["test/unit/", "test/components/", "test/templates/", "test/toolchain/unit/", "test/lab/unit/"];
// What the tests of the runner itself run; no other run finds them.
const FIXTURES = "test/toolchain/fixtures/";

// A line of a unit test file that must not share its process with others says so, and why.
const OWN_PROCESS = /^\/\/ A process of its own: \S/m;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const unitDeadlines: Deadlines = { test: MINUTE, file: 5 * MINUTE, end: 10 * SECOND };
const hostDeadlines: Deadlines = { test: 10 * MINUTE, file: 20 * MINUTE, end: 3 * MINUTE };
// What node:test's own deadline may be late by.
const GRACE = 30 * SECOND;

/** True for tests that need neither root, nor a network, nor an engine. */
export function isUnit(path: string): boolean {
  return [...UNIT, FIXTURES].some((folder) => path.startsWith(folder));
}

/** What a test file needs. The lab's own tests make the labs that they need themselves, and there is one of their name. */
export function needOf(path: string): Need {
  if (/^test\/(?:e2e|attacks|upgrade|judges)\//.test(path)) return "lane";
  return path.startsWith("test/lab/") && !isUnit(path) ? "selftest" : "nothing";
}

/** True for a unit test file that must not share its process with others. */
export function wantsOwnProcess(root: string, path: string): boolean {
  return OWN_PROCESS.test(readFileSync(join(root, path), "utf8"));
}

/** A file's deadlines. A test that states a longer one, `{ timeout: 900_000 }`, has that, and so have all others of its file. */
export function deadlinesOf(root: string, path: string): Deadlines {
  const usual = isUnit(path) ? unitDeadlines : hostDeadlines;
  const stated = [...readFileSync(join(root, path), "utf8").matchAll(/\btimeout: ([\d_]+)/g)].map(
    ([, number = ""]) => Number(number.replaceAll("_", "")) + GRACE,
  );
  const test = Math.max(usual.test, ...stated);
  return { test, file: Math.max(usual.file, test + usual.end), end: usual.end };
}
