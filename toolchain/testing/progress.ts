import type { Ended, TestEvent } from "./events";
import type { Sink, TestResult } from "./results";

/** What is known of the tests of one file from its events. */
export class Progress {
  /** Outermost tests, in the order of the file. */
  private readonly queued = new Set<string>();
  private readonly ended = new Set<string>();
  /** The tests that run now, from the outermost inwards. */
  private readonly path: string[] = [];
  private since = Date.now();
  private failures = 0;

  constructor(
    readonly file: string,
    private readonly sink: Sink,
  ) {}

  /** True if a test of this file failed. */
  get hasFailed(): boolean {
    return this.failures > 0;
  }

  /** How many outermost tests have ended. */
  get endedCount(): number {
    return this.ended.size;
  }

  /** Name of the outermost test that runs now. */
  get running(): string | undefined {
    const [top] = this.path;
    return top === undefined || this.ended.has(top) ? undefined : top;
  }

  /** Outermost tests that have not ended. */
  get remaining(): readonly string[] {
    return [...this.queued].filter((name) => !this.ended.has(name));
  }

  /** Takes an event; nesting 0 are the outermost tests of the file. */
  take(event: TestEvent): void {
    if (event.type === "queued") {
      if (event.nesting === 0) this.queued.add(event.name);
    } else if (event.type === "started") {
      this.path.splice(event.nesting, Infinity, event.name);
      this.since = Date.now();
    } else if (event.type === "ended") {
      this.end(event);
    } else if (event.type === "said") {
      this.sink.line(this.file, event.text);
    }
  }

  /** The running test, or the file if there is none, is to blame for something that no test says itself. */
  blame(error: string): void {
    const name = this.running;
    if (name !== undefined) this.ended.add(name);
    this.report({
      file: this.file,
      name: name === undefined ? "(the file itself)" : this.path.join(" › "),
      top: name,
      verdict: "failed",
      seconds: (Date.now() - this.since) / 1000,
      error,
    });
    this.path.length = 0;
  }

  /** Something to know about the file. */
  say(text: string): void {
    this.sink.line(this.file, text);
  }

  private end(event: Ended): void {
    const { name, nesting, verdict, seconds, error } = event;
    // A test that never started was given up with its process: it has yet to run.
    if (event.kind === "cancelledByParent" && nesting === 0 && this.path[0] !== name) return;
    this.path.splice(nesting, Infinity, name);
    const [top = name] = this.path;
    // In a later process what has ended before comes again, left out.
    if (this.ended.has(top)) return;
    if (nesting === 0) this.ended.add(name);
    if (verdict === "left out") return;
    // A suite fails with its tests, which have said so; by itself only through its hooks.
    if (event.suite && (verdict !== "failed" || event.kind === "subtestsFailed")) return;
    this.report({ file: this.file, name: this.path.join(" › "), top, verdict, seconds, error });
  }

  private report(result: TestResult): void {
    if (result.verdict === "failed") this.failures++;
    this.sink.test(result);
  }
}
