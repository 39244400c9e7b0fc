import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { noLane } from "../../../toolchain/testing/lane";
import type { Deadlines } from "../../../toolchain/testing/kinds";
import type { FileResult, TestResult } from "../../../toolchain/testing/results";
import { type TestRun, environmentOf, runTests } from "../../../toolchain/testing/run";

const FIXTURES = "test/toolchain/fixtures/tests";
let folder: string;

// All at once, since most of it is waiting for deadlines.
const outcomes: Record<"hanging" | "shared" | "open" | "flaky" | "late", Outcome> = {} as never;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "monoclaw-runner-"));
  const slow: Deadlines = { test: 60_000, file: 60_000, end: 60_000 };
  const hanging = ["hangs", "blocks", "stubborn", "leaves", "open", "exits", "drained", "timeout", "throws"];
  const runs: Record<keyof typeof outcomes, Promise<Outcome>> = {
    hanging: runFixtures(hanging, { workers: 3 }),
    shared: runFixtures(["hooks", "hookFails", "sharedHang", "fails"]),
    open: runFixtures(["hooks", "sharedOpen"]),
    // Nothing hangs in these: a busy machine must not end them.
    flaky: runFixtures(["flaky", "fails"], { reruns: 5, deadlinesOf: () => slow }),
    late: runFixtures(["hangs", "fails"], { limit: 2_000, deadlinesOf: () => slow }),
  };
  for (const [name, run] of Object.entries(runs)) outcomes[name as keyof typeof outcomes] = await run;
});
after(() => {
  rmSync(folder, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly printed: readonly string[];
  readonly tests: readonly TestResult[];
  readonly files: readonly FileResult[];
}

/** Runs fixtures as `npm test` runs tests, with short deadlines. */
async function runFixtures(names: readonly string[], settings: Partial<TestRun> = {}): Promise<Outcome> {
  const printed: string[] = [];
  const results = mkdtempSync(join(folder, "results-"));
  const code = await runTests({
    selected: names.map((name) => ({ file: `${FIXTURES}/${name}.fixture.ts` })),
    env: { ...environmentOf(process.env), FIXTURE_FOLDER: folder },
    lanes: [noLane("lane")],
    started: Date.now(),
    limit: 60_000,
    results,
    seconds: join(results, "seconds.json"),
    print: (line) => printed.push(line),
    deadlinesOf: () => ({ test: 1_200, file: 40_000, end: 1_200 }),
    // Starts sooner, and does for files that import nothing at run time.
    loader: ["--require", "tsx/cjs"],
    reruns: 0,
    workers: 1,
    ...settings,
  });
  const whole = JSON.parse(readFileSync(join(results, "results.json"), "utf8")) as Pick<Outcome, "tests" | "files">;
  return { code, printed, tests: whole.tests, files: whole.files };
}

/** How the tests of a fixture ended. */
function verdicts({ tests }: Outcome, fixture: string): Record<string, string> {
  const own = tests.filter(({ file }) => file.endsWith(`/${fixture}.fixture.ts`));
  return Object.fromEntries(own.map(({ name, verdict }) => [name, verdict]));
}

function errorOf({ tests }: Outcome, name: string): string {
  return tests.find((test) => test.name === name && test.verdict === "failed")?.error ?? "";
}

/** Processes that a fixture of this run started and that still run, by what their environment says: another run has its own. */
function leftovers(): string[] {
  return readdirSync("/proc").flatMap((entry) => {
    try {
      const isOwn = /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/environ`, "utf8").includes(folder);
      return isOwn ? [readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim()] : [];
    } catch {
      return []; // ended meanwhile
    }
  });
}

void describe("a test that does not end", () => {
  let outcome: Outcome;

  before(() => {
    outcome = outcomes.hanging;
  });

  void it("costs itself alone, and is shown with its processes", () => {
    assert.deepEqual(verdicts(outcome, "hangs"), { before: "passed", "hangs (for ever)": "failed", after: "passed" });
    const error = errorOf(outcome, "hangs (for ever)");
    assert.match(error, /^ended: no test ended for \d+\.\d s, 1\.2 s are allowed/);
    assert.match(error, /PID.*\n.*hangs\.fixture\.ts/);
  });

  void it("is named even if it blocks its process", () => {
    assert.deepEqual(verdicts(outcome, "blocks"), { blocks: "failed", after: "passed" });
  });

  void it("is ended with its children, those in another session and those that ignore SIGTERM", () => {
    assert.match(errorOf(outcome, "waits for a child that ignores SIGTERM"), /sleep 1007\n(.*\n)*.*sleep 1007/);
    assert.ok(outcome.printed.some((line) => line.endsWith(": a line of the child")));
    assert.deepEqual(leftovers(), []);
  });

  void it("is ended when it takes longer than it states itself, and its children with it", () => {
    assert.deepEqual(verdicts(outcome, "timeout"), { "takes longer than it states": "failed", after: "passed" });
    assert.match(errorOf(outcome, "takes longer than it states"), /timed out after 100ms/);
    assert.ok(
      outcome.printed.some((line) => line.endsWith("sleep 1009")),
      "its processes are shown",
    );
  });

  void it("does not take those after it along when it ends the process, or has nothing left to wait for", () => {
    assert.deepEqual(verdicts(outcome, "exits"), { "ends the process": "failed", after: "passed" });
    assert.match(errorOf(outcome, "ends the process"), /ended with exit code 3 in the middle.*\nthe last words/);
    assert.deepEqual(verdicts(outcome, "drained"), { "waits for nothing": "failed", after: "passed" });
  });

  void it("is a failure of the file if all tests passed, and says what is open", () => {
    assert.deepEqual(verdicts(outcome, "open"), { passes: "passed", "(the file itself)": "failed" });
    const error = outcome.tests.find(({ file, verdict }) => file.includes("/open.") && verdict === "failed")?.error;
    assert.match(error ?? "", /all tests had ended for .*did not end by itself\. Still open: .*Timeout/);
  });

  void it("leaves nothing behind that outlives it", () => {
    assert.deepEqual(verdicts(outcome, "leaves"), { "leaves a process": "passed" });
    assert.ok(outcome.printed.some((line) => line.includes("it left 1 process")));
  });

  void it("a file that can't be loaded fails with its error", () => {
    assert.deepEqual(verdicts(outcome, "throws"), { "(the file itself)": "failed" });
    const error = outcome.tests.find(({ file }) => file.includes("/throws."))?.error;
    assert.match(error ?? "", /it ended with exit code 1\n(.*\n)*.*no such luck/);
  });

  void it("the run ends with its verdict", () => {
    assert.equal(outcome.code, 1);
    assert.equal(outcome.printed.at(-1), "8 passed, 8 failed");
    assert.ok(outcome.printed.some((line) => /^FAILED blocks \(.*blocks\.fixture\.ts\)$/.test(line)));
  });
});

void describe("files in one process", () => {
  void it("each has its own hooks; one that hangs, or has no set-up, takes none along", () => {
    const outcome = outcomes.shared;
    assert.deepEqual(verdicts(outcome, "hookFails"), { "(the file itself)": "failed" });
    assert.match(errorOf(outcome, "(the file itself)"), /^Error: no set-up/);
    assert.deepEqual(verdicts(outcome, "hooks"), { "its hooks are its own": "passed" });
    assert.deepEqual(verdicts(outcome, "sharedHang"), { first: "passed", hangs: "failed", last: "passed" });
    assert.deepEqual(verdicts(outcome, "fails"), {
      "a suite › passes": "passed",
      "a suite › fails": "failed",
      "is skipped": "skipped",
      "has steps › within": "passed",
      "has steps": "passed",
    });
    assert.equal(outcome.printed.at(-1), "6 passed, 3 failed");
    const steps = outcome.files.flatMap((file) => file.steps);
    assert.deepEqual(steps, [{ step: "pulumi up", seconds: 12.3, cpu: 8.1 }]);
    assert.ok(outcome.printed.some((line) => /^ *12\.3 +8\.1 +pulumi up$/.test(line)));
  });

  void it("one that keeps the process running is found among them", () => {
    const outcome = outcomes.open;
    assert.deepEqual(verdicts(outcome, "hooks"), { "its hooks are its own": "passed" });
    const own = { "keeps the process running": "passed", "(the file itself)": "failed" };
    assert.deepEqual(verdicts(outcome, "sharedOpen"), own);
  });
});

void it("a test that passes the second time is flaky, and that is red", () => {
  const outcome = outcomes.flaky;
  assert.deepEqual(verdicts(outcome, "flaky"), { "passes the second time": "flaky" });
  assert.equal(verdicts(outcome, "fails")["a suite › fails"], "failed");
  assert.ok(outcome.printed.some((line) => line.startsWith("FLAKY passes the second time (")));
  assert.equal(outcome.printed.at(-1), "3 passed, 2 failed");
  assert.equal(outcome.code, 1);
});

void it("a run that takes longer than it may ends with its verdict all the same", () => {
  const outcome = outcomes.late;
  assert.equal(outcome.code, 1);
  assert.match(outcome.tests.map(({ error }) => error ?? "").join("\n"), /the whole run may take 2 s/);
  assert.match(outcome.printed.at(-1) ?? "", /^\d+ passed, [1-9]\d* failed$/);
});
