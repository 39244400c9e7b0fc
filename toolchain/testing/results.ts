/** How a test ended, or what a whole file did wrong. */
export interface TestResult {
  readonly file: string;
  /** Its own name and those of the tests around it, ` › ` between them. */
  readonly name: string;
  /** Name of the outermost test that it belongs to, by which it is run again; undefined for what no test did. */
  readonly top: string | undefined;
  readonly verdict: "passed" | "failed" | "skipped" | "flaky";
  readonly seconds: number;
  readonly error?: string | undefined;
}

/** A line of a file's MONOCLAW_TEST_STEPS. */
export interface Step {
  readonly step: string;
  readonly seconds: number;
  readonly cpu?: number;
}

/** What a test file cost. */
export interface FileResult {
  readonly file: string;
  readonly seconds: number;
  /** Processor seconds of its processes; shared out by time if several files shared a process. */
  readonly cpu: number;
  /** Processor seconds of its lane meanwhile: hosts and lab. */
  readonly laneCpu: number;
  /** Seconds that it waited for what it needs. */
  readonly waited: number;
  readonly steps: readonly Step[];
}

/** What becomes of a run while it goes on. */
export interface Sink {
  test(result: TestResult): void;
  /** A line that the tests of a file printed, or that the runner has to say about it. */
  line(file: string, text: string): void;
}
