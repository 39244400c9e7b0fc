import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";

const root = join(__dirname, "../../..");
const folder = join(root, ".github/workflows");

interface Step {
  uses?: string;
  run?: string;
  if?: string;
  with?: Record<string, unknown>;
}

interface Workflow {
  permissions?: unknown;
  concurrency?: unknown;
  jobs: Record<string, { permissions?: unknown; "timeout-minutes"?: number; steps: Step[] }>;
}

for (const name of readdirSync(folder)) {
  void describe(`workflow ${name}`, () => {
    const text = readFileSync(join(folder, name), "utf8");
    const workflow = parse(text) as Workflow;
    const jobs = Object.values(workflow.jobs);
    const steps = jobs.flatMap((job) => job.steps);

    void it("pins every action to a commit, and says which version that is", () => {
      const lines = text.split("\n").filter((line) => /\buses:/.test(line));
      assert.equal(lines.length, steps.filter(({ uses }) => uses !== undefined).length);
      for (const line of lines) assert.match(line, /uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    });

    void it("may only read", () => {
      assert.deepEqual(workflow.permissions, { contents: "read" });
      for (const { permissions } of jobs) assert.equal(permissions, undefined);
      const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
      for (const { with: options } of checkouts) assert.equal(options?.["persist-credentials"], false);
    });

    void it("ends by itself, and when there is a newer one", () => {
      assert.ok(workflow.concurrency !== undefined);
      for (const job of jobs) assert.ok((job["timeout-minutes"] ?? Infinity) <= 90);
    });

    void it("puts nothing that others can write into a shell", () => {
      for (const { run } of steps) assert.doesNotMatch(run ?? "", /\$\{\{/);
    });
  });
}

void describe("CI", () => {
  const { jobs } = parse(readFileSync(join(folder, "ci.yml"), "utf8")) as Workflow;
  const steps = jobs["test"]?.steps ?? [];

  void it("runs what a person runs", () => {
    const tests = steps.filter(({ run }) => /\bnpm test$/.test(run?.trim() ?? ""));
    assert.equal(tests.length, 1);
    assert.equal(tests[0]?.if, undefined);
  });

  void it("keeps its cache by files that exist", () => {
    const cache = steps.find(({ uses }) => uses?.startsWith("actions/cache@"));
    const files = [...String(cache?.with?.["key"]).matchAll(/'([^']+)'/g)].map(([, file]) => file ?? "");
    assert.ok(files.includes("package-lock.json"));
    for (const file of files.filter((path) => !path.includes("*"))) assert.ok(existsSync(join(root, file)), file);
  });
});
