/** What a test process tells the runner, one JSON line each, in the order in which it happens. */
export type TestEvent =
  | { readonly type: "queued" | "started"; readonly name: string; readonly nesting: number }
  | Ended
  | { readonly type: "said"; readonly text: string }
  /** All tests ended a while ago; this is what keeps the process running. */
  | { readonly type: "open"; readonly resources: readonly string[] }
  /** Processor seconds of the process and of those children that it waited for, at its exit. */
  | { readonly type: "usage"; readonly seconds: number };

/** How a test, or a suite of tests, ended. */
export interface Ended {
  readonly type: "ended";
  readonly name: string;
  readonly nesting: number;
  /** Left out is what the names that were asked for don't match. */
  readonly verdict: "passed" | "failed" | "skipped" | "left out";
  /** A suite runs nothing itself: it isn't counted. */
  readonly suite: boolean;
  readonly seconds: number;
  /** node:test's word for the kind of failure, such as `testTimeoutFailure`. */
  readonly kind?: string | undefined;
  readonly error?: string | undefined;
}

/** Environment variables of a test process. */
export const variables = {
  /** File that the reporter appends its lines to. */
  events: "MONOCLAW_TEST_EVENTS",
  /** File that a test may append lines to: `{"step":"pulumi up","seconds":12.3,"cpu":8.1}`. */
  steps: "MONOCLAW_TEST_STEPS",
  /** The layer that was chosen with --layer. */
  layer: "MONOCLAW_TEST_LAYER",
  /** The same for all processes of a run: a host that is kept for the next file belongs to one run. */
  run: "MONOCLAW_TEST_RUN",
  /** By this every process that a test process started is found again, whoever its parent is now. */
  mark: "MONOCLAW_TEST_PROCESS",
} as const;

/** The events in whole lines of a file. */
export function parseEvents(lines: readonly string[]): TestEvent[] {
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as TestEvent);
}
