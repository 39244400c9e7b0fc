import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate as soon } from "node:timers/promises";
import { jobsOf } from "../../../toolchain/testing/jobs";
import { readSeconds, tableOf, writeResults, writeSeconds } from "../../../toolchain/testing/report";
import type { FileResult, TestResult } from "../../../toolchain/testing/results";
import { exactly } from "../../../toolchain/testing/runFile";
import { type Job, schedule, share } from "../../../toolchain/testing/schedule";

const root = join(__dirname, "../../..");

void describe("the schedule", () => {
  void it("starts what others wait for, then what nobody knows, then what takes longest, and gives no slot to two", async () => {
    const jobs: Job[] = [
      { name: "short", need: "lane", seconds: 1 },
      { name: "long", need: "lane", seconds: 9 },
      { name: "unknown", need: "lane" },
      { name: "awaited", need: "lane", seconds: 2, isAwaited: true },
      { name: "other", need: "selftest", seconds: 5 },
    ];
    const order: string[] = [];
    const held = new Set<string>();
    let most = 0;
    await schedule(jobs, { lane: ["one", "two"], selftest: ["own"] }, async (job, slot) => {
      assert.ok(!held.has(slot), `${slot} is held twice`);
      held.add(slot);
      most = Math.max(most, held.size);
      order.push(job.name);
      await soon();
      held.delete(slot);
    });
    assert.deepEqual(order, ["awaited", "unknown", "other", "long", "short"]);
    assert.equal(most, 3);
  });

  void it("says what there is none of", async () => {
    const run = schedule([{ name: "a", need: "lane" }], { lane: [] }, () => Promise.resolve());
    await assert.rejects(run, /a needs lane, and there is none/);
  });

  void it("shares things out so that each share takes about as long", () => {
    assert.deepEqual(
      share([5, 4, 3, 2, 1, 1], 2, (each) => each),
      [
        [5, 2, 1],
        [4, 3, 1],
      ],
    );
    assert.deepEqual(
      share([1], 3, (each) => each),
      [[1]],
    );
  });
});

void describe("jobs", () => {
  void it("unit tests share processes, but those that say that they need one of their own; others are one a file", () => {
    const fixtures = ["hooks", "fails", "flaky", "hangs"].map(
      (name) => `test/toolchain/fixtures/tests/${name}.fixture.ts`,
    );
    const files = [...fixtures, "test/attacks/sudo.test.ts", "test/lab/e2e.test.ts"];
    const jobs = jobsOf(
      root,
      files.map((file) => ({ file })),
      2,
      new Map([["test/attacks/sudo.test.ts", 60]]),
    );
    assert.deepEqual(
      jobs.map(({ need, files: own, seconds }) => `${need} ${String(own.length)} ${String(seconds)}`).sort(),
      ["lane 1 60", "nothing 1 0.5", "nothing 1 undefined", "nothing 2 1", "selftest 1 undefined"],
    );
    assert.deepEqual(jobs.flatMap((job) => job.files).sort(), files.sort());
  });

  void it("a pattern of names matches them and no other", () => {
    const names = ["a (b) [c] $d ^e | f.g* +h? {i} \\j /k/", "two"];
    const [, source = ""] = /^\/(.*)\/$/.exec(exactly(names)) ?? [];
    const pattern = new RegExp(source);
    assert.deepEqual(
      [...names, "two more", "a", ""].map((name) => pattern.test(name)),
      [true, true, false, false, false],
    );
  });
});

void describe("the report", () => {
  const files: FileResult[] = [
    { file: "a.test.ts", seconds: 2, cpu: 1, laneCpu: 7.5, waited: 3.5, steps: [{ step: "pulumi up", seconds: 1.5 }] },
  ];
  const tests: TestResult[] = [
    { file: "a.test.ts", name: "good", top: "good", verdict: "passed", seconds: 0.5 },
    {
      file: "a.test.ts",
      name: '<bad> & "worse"',
      top: "bad",
      verdict: "failed",
      seconds: 1,
      error: "why\u001b[1m <x>",
    },
    { file: "a.test.ts", name: "left", top: "left", verdict: "skipped", seconds: 0 },
  ];
  const whole = { tests, files, seconds: 10, busy: 5, processors: 2 };

  void it("says what each file cost, and what failed", () => {
    const lines = tableOf(whole);
    assert.ok(lines.some((line) => /^ *2\.0 +1\.0 +7\.5 +3\.5 +a\.test\.ts$/.test(line)));
    assert.ok(lines.some((line) => /^ *1\.5 +pulumi up$/.test(line)));
    assert.ok(!lines.some((line) => line.includes("attacks")));
  });

  void it("says which attacks were tried, and held, by the ways of each", () => {
    const way = (name: string, verdict: "passed" | "failed") =>
      ({ file: "test/attacks/a.test.ts", name, top: "steals", verdict, seconds: 0 }) as const;
    const ways = [way("steals › here", "passed"), way("steals › there", "failed"), way("steals", "failed")];
    const lines = tableOf({ ...whole, tests: [...tests, ...ways] });
    assert.ok(lines.some((line) => /^ *2 +1 {2}test\/attacks\/a\.test\.ts$/.test(line)));
    assert.ok(lines.some((line) => /^ *2 +1 {2}all of them$/.test(line)));
    assert.ok(lines.includes("the processors were busy for 5.0 s of 2 × 10.0 s: 25 %"));
    assert.ok(lines.includes('FAILED <bad> & "worse" (a.test.ts)'));
  });

  void it("is written for machines, too", () => {
    const folder = mkdtempSync(join(tmpdir(), "monoclaw-report-"));
    try {
      writeResults(join(folder, "results"), whole);
      const junit = readFileSync(join(folder, "results/junit.xml"), "utf8");
      assert.match(junit, /<testsuite name="a\.test\.ts" tests="3" failures="1" skipped="1" time="2\.000">/);
      assert.match(
        junit,
        /name="&lt;bad&gt; &amp; &quot;worse&quot;" time="1\.000"><failure type="failed" message="why\[1m/,
      );
      const results = JSON.parse(readFileSync(join(folder, "results/results.json"), "utf8")) as typeof whole;
      assert.deepEqual([results.tests, results.files], [tests, files]);

      const seconds = join(folder, "cache/seconds.json");
      assert.equal(readSeconds(seconds).size, 0);
      writeSeconds(seconds, files);
      writeSeconds(seconds, [{ ...(files[0] as FileResult), file: "b.test.ts" }]);
      assert.deepEqual(
        [...readSeconds(seconds)],
        [
          ["a.test.ts", 2],
          ["b.test.ts", 2],
        ],
      );
      writeFileSync(seconds, "{cut off");
      assert.equal(readSeconds(seconds).size, 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
