import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Selected } from "../../test/selection";
import { root } from "../paths";
import { elapsed } from "../report";
import { variables } from "./events";
import { rerun } from "./flaky";
import { type FileJob, jobsOf } from "./jobs";
import { type Deadlines, deadlinesOf, isUnit } from "./kinds";
import { type Lane, noLane } from "./lane";
import { machineSeconds } from "./processes";
import { type Print, testLines } from "./print";
import { countOf, readSeconds, tableOf, writeResults, writeSeconds } from "./report";
import type { FileResult, Sink, Step, TestResult } from "./results";
import { type Cost, type Run, runAlone } from "./runFile";
import { runTogether } from "./runTogether";
import { schedule } from "./schedule";

/** A run of tests. */
export interface TestRun {
  readonly selected: readonly Selected[];
  readonly env: NodeJS.ProcessEnv;
  readonly lanes: readonly Lane[];
  /** When it began, and how long all of it may take, in milliseconds. */
  readonly started: number;
  readonly limit: number;
  /** Folder for junit.xml and results.json. */
  readonly results: string;
  /** File with the seconds of earlier runs. */
  readonly seconds: string;
  readonly print: Print;
  /** Options of node by which it understands TypeScript, if they aren't the usual ones. */
  readonly loader?: readonly string[];
  /** Most processes beside those in lanes; else one more than there are processors, since some mostly wait. */
  readonly workers?: number;
  /** Most failed tests that are run once more. */
  readonly reruns?: number;
  /** Another rule for the deadlines of a file than the usual one. */
  readonly deadlinesOf?: (file: string) => Deadlines;
}

// After its deadline a run has this long to end what still runs.
const RERUNS = 5;
const ENDING_MS = 120_000;
const CLEAR_MS = 180_000;

/** Runs tests, reports how each ended and what all of it cost, and resolves with the exit code. It always ends. */
export async function runTests(run: TestRun): Promise<number> {
  const { print } = run;
  const before = machineSeconds();
  const began = Date.now();
  const tests: TestResult[] = [];
  const files: FileResult[] = [];
  const sink: Sink = {
    test: (result) => {
      tests.push(result);
      testLines(result).forEach(print);
    },
    line: (file, text) => {
      print(`      | ${file}: ${text}`);
    },
  };
  const folder = mkdtempSync(join(tmpdir(), "monoclaw-test-"));
  let signal: string | undefined;
  const onSignal = (name: string): void => {
    signal = name;
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const end = run.started + run.limit;
  const stop = (): string | undefined => {
    if (signal !== undefined) return `the run got ${signal}`;
    return Date.now() < end ? undefined : `the whole run may take ${String(run.limit / 1000)} s`;
  };
  const work = async (): Promise<"done"> => {
    const settings = { run, sink, folder, stop, files };
    const workers = Array.from({ length: run.workers ?? cpus().length + 1 }, (_, index) =>
      noLane(`process ${String(index + 1)}`),
    );
    const jobs = jobsOf(root, run.selected, workers.length, secondsOf(run.seconds));
    const slots = { nothing: workers, selftest: [noLane("selftest")], lane: run.lanes };
    await schedule(jobs, slots, (job, lane, waited) => runJob(job, lane, waited, settings));
    const slotOf = (file: string): Lane =>
      slots[jobsOf(root, [{ file }], 1, new Map())[0]?.need ?? "nothing"][0] ?? noLane("");
    await rerun(tests, run.reruns ?? RERUNS, stop, print, (file, names, other) =>
      runAlone(file, runOf(file, names, slotOf(file), { ...settings, sink: other })),
    );
    return "done";
  };
  const ended = await Promise.race([work(), sleep(end - Date.now() + ENDING_MS, "stuck", { ref: false })]);
  process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  rmSync(folder, { recursive: true, force: true });
  if (ended === "stuck") {
    sink.test(
      failure("(all)", `what still ran did not end within ${String(ENDING_MS / 1000)} s after the run's deadline`),
    );
    // Something that can't be ended keeps this process, too.
    setTimeout(() => process.exit(1), 1_000).unref();
  }
  const after = machineSeconds();
  const seconds = (Date.now() - began) / 1000;
  const whole = { tests, files, seconds, busy: after.busy - before.busy, processors: after.processors };
  tableOf(whole).forEach(print);
  writeResults(run.results, whole);
  const whollyRun = new Set(run.selected.filter(({ names }) => names === undefined).map(({ file }) => file));
  if (stop() === undefined)
    writeSeconds(
      run.seconds,
      files.filter(({ file }) => whollyRun.has(file)),
    );
  const { passed, failed } = countOf(tests);
  const code = failed > 0 || passed === 0 ? 1 : 0;
  if (passed + failed === 0) process.stderr.write("no test ran\n");
  process.stderr.write(`tests: ${code === 0 ? "passed" : "FAILED"} after ${elapsed(began)}\n`);
  print(`${String(passed)} passed, ${String(failed)} failed`);
  return code;
}

interface Settings {
  readonly run: TestRun;
  readonly sink: Sink;
  readonly folder: string;
  readonly stop: () => string | undefined;
  readonly files: FileResult[];
}

/** How a file is run in a lane. */
function runOf(file: string, names: string | undefined, lane: Lane, { run, sink, folder, stop }: Settings): Run {
  const steps = { [variables.steps]: stepsFile(folder, file) };
  return {
    lane,
    loader: run.loader ?? ["--import", "tsx"],
    names,
    folder,
    stop,
    sink,
    env: { ...run.env, ...steps },
    deadlines: (run.deadlinesOf ?? ((path) => deadlinesOf(root, path)))(file),
    grouped: !isUnit(file) && process.getuid?.() === 0,
  };
}

async function runJob(job: FileJob, lane: Lane, waited: number, settings: Settings): Promise<void> {
  const { sink, stop, files, folder } = settings;
  const [first = ""] = job.files;
  const stopped = stop();
  if (stopped !== undefined) {
    for (const file of job.files) sink.test(failure(file, `not run: ${stopped}`));
    return;
  }
  const failed: TestResult[] = [];
  const own: Sink = {
    line: (file, text) => {
      sink.line(file, text);
    },
    test: (result) => {
      if (result.verdict === "failed") failed.push(result);
      sink.test(result);
    },
  };
  const before = lane.cpuSeconds();
  let costs: ReadonlyMap<string, Cost> = new Map();
  try {
    const run = runOf(first, job.names, lane, { ...settings, sink: own });
    costs = job.files.length === 1 ? new Map([[first, await runAlone(first, run)]]) : await runTogether(job.files, run);
  } catch (error) {
    own.test(failure(first, `the runner: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`));
  }
  const laneCpu = lane.cpuSeconds() - before;
  for (const [file, { seconds, cpu }] of costs) {
    files.push({ file, seconds, cpu, laneCpu, waited, steps: readSteps(stepsFile(folder, file)) });
  }
  if (failed.length === 0) return;
  const cleared = lane.clear().catch((error: unknown) => {
    sink.test(failure(first, `${lane.name} could not be cleared: ${String(error)}`));
  });
  await Promise.race([cleared, sleep(CLEAR_MS, undefined, { ref: false })]);
}

function failure(file: string, error: string): TestResult {
  return { file, name: "(the file itself)", top: undefined, verdict: "failed", seconds: 0, error };
}

function stepsFile(folder: string, file: string): string {
  return join(folder, `steps-${file.replaceAll("/", "_")}`);
}

/** What a file said of its steps. A line that is cut off, by the end of its process, is left out. */
function readSteps(path: string): Step[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.filter((line) => /^\{.*\}$/.test(line)).map((line) => JSON.parse(line) as Step);
  } catch {
    return [];
  }
}

/** The environment of tests: without what `npm run` puts there, on which tests must not depend. */
export function environmentOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith("npm_") && name !== "NODE_TEST_CONTEXT");
  const path = (env["PATH"] ?? "").split(":").filter((folder) => !folder.endsWith("node_modules/.bin"));
  return { ...Object.fromEntries(kept), PATH: path.join(":"), [variables.run]: randomUUID() };
}

/** What files took the last time on this machine; else what they took when the list was written that comes with the project. */
function secondsOf(path: string): ReadonlyMap<string, number> {
  return new Map([...readSeconds(join(root, "test/seconds.json")), ...readSeconds(path)]);
}
