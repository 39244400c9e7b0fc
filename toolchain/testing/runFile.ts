import { join } from "node:path";
import { root } from "../paths";
import { type Attempt, type Ending, attempt } from "./attempt";
import { Progress } from "./progress";
import type { Sink } from "./results";

/** How test files are run. */
export type Run = Pick<Attempt, "lane" | "loader" | "env" | "deadlines" | "grouped" | "folder" | "names" | "stop"> & {
  readonly sink: Sink;
};

/** What a file cost. */
export interface Cost {
  readonly seconds: number;
  readonly cpu: number;
}

// A pattern that no name matches: the tests say their names, and none runs.
const NONE = "/^(?!)/";
const TIMED_OUT = "testTimeoutFailure";
const LAST_LINES = 20;

/** A pattern that matches these names and no other. */
export function exactly(names: readonly string[]): string {
  return `/^(?:${names.map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|")})$/`;
}

/** Runs the tests of one file in a process of its own. */
export async function runAlone(file: string, run: Run): Promise<Cost> {
  return runRest(new Progress(file, run.sink), run);
}

/**
 * Runs the tests of a file that have not ended. A test that hangs, or ends the process, costs itself alone: those after it get a new process.
 */
export async function runRest(progress: Progress, run: Run): Promise<Cost> {
  const started = Date.now();
  let { names } = run;
  let cpu = 0;
  if (progress.endedCount > 0) {
    // They are known by name only to a process that has loaded the file.
    await runOnce(progress, run, NONE);
    names = exactly(progress.remaining);
  }
  for (;;) {
    const before = progress.endedCount;
    const ending = await runOnce(progress, run, names);
    cpu += ending.cpu;
    if (!judge(progress, ending, run.stop())) break;
    if (progress.endedCount === before) {
      // Another process would get no further either.
      progress.blame(`its process ended before these tests: ${progress.remaining.join(", ")}\n${ending.output}`);
      break;
    }
    names = exactly(progress.remaining);
  }
  return { seconds: (Date.now() - started) / 1000, cpu };
}

/** An ending, and what only the events and the output of the process tell of it. */
type Told = Ending & {
  /** node:test ended a test at its own deadline. The test may go on all the same, and so may what it started. */
  readonly timedOut: boolean;
  readonly open: readonly string[];
  readonly output: string;
};

async function runOnce(progress: Progress, run: Run, names: string | undefined): Promise<Told> {
  const output: string[] = [];
  let open: readonly string[] = [];
  let timedOut = false;
  let known = false;
  const ending = await attempt({
    ...run,
    argv: [join(root, progress.file)],
    names,
    onEvent: (event) => {
      known = true;
      if (event.type === "open") open = event.resources;
      if (event.type === "ended" && event.nesting === 0 && event.kind === TIMED_OUT) timedOut = true;
      if (names !== NONE || event.type === "queued") progress.take(event);
    },
    onLine: (line) => {
      output.push(line);
      if (output.length > LAST_LINES) output.shift();
      run.sink.line(progress.file, line);
    },
    isBusy: () => !known || progress.remaining.length > 0,
    stop: () => run.stop() ?? (timedOut ? "a test took longer than it states" : undefined),
  });
  return { ...ending, timedOut, open, output: output.join("\n") };
}

/** Says what no test says itself, and tells whether the tests that have not ended shall get a new process. */
function judge(progress: Progress, ending: Told, stopped: string | undefined): boolean {
  const { killed, exitCode, signal, left } = ending;
  if (left > 0) progress.say(`it left ${String(left)} processes behind, which were ended`);
  if (stopped !== undefined) {
    progress.blame(`ended: ${stopped}\n${ending.evidence}`);
    return false;
  }
  if (ending.timedOut) {
    progress.say(`a test took longer than it states: its processes were ended\n${ending.evidence}`);
    return progress.remaining.length > 0;
  }
  if (killed !== undefined && ending.onlyOpen) {
    const open = `Still open: ${ending.open.join(", ") || "unknown"}.`;
    progress.blame(`${killed}: the process did not end by itself. ${open}\n${ending.evidence}`);
    return false;
  }
  const wasRunning = progress.running !== undefined;
  if (killed !== undefined) {
    progress.blame(`ended: ${killed}\n${ending.evidence}`);
    return wasRunning && progress.remaining.length > 0;
  }
  const how = signal === null ? `with exit code ${String(exitCode)}` : `by ${signal}`;
  if (wasRunning) {
    progress.blame(`the process ended ${how} in the middle of this test\n${ending.output}`);
    return progress.remaining.length > 0;
  }
  if (progress.remaining.length > 0) return true;
  if (progress.endedCount === 0 && exitCode === 0) progress.blame("it has no tests");
  else if (exitCode !== 0 && !progress.hasFailed) progress.blame(`it ended ${how}\n${ending.output}`);
  return false;
}
