import { appendFileSync, readFileSync } from "node:fs";
import { Transform } from "node:stream";
import { inspect } from "node:util";
import { type Ended, type TestEvent, variables } from "./events";

// node:test's reporter of a test process. It listens to the events where they are made instead of reading the stream of them: a test that
// blocks the process would keep the stream from moving, and then nobody knew which test it is.

/** What node:test hands over; it differs by event. */
interface Data {
  readonly name: string;
  readonly nesting: number;
  readonly message?: string;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details?: {
    readonly duration_ms: number;
    readonly type?: string;
    readonly error?: Error & { readonly failureType?: string };
  };
}

const file = process.env[variables.events] ?? "/dev/null";
const TOTALS = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;
const OPEN_AFTER_MS = 500;
let timer: NodeJS.Timeout | undefined;

function tell(event: TestEvent): void {
  appendFileSync(file, `${JSON.stringify(event)}\n`);
}

function ended(data: Data, passed: boolean): void {
  const { name, nesting, details } = data;
  const error = details?.error;
  tell({
    type: "ended",
    name,
    nesting,
    verdict: verdictOf(data, passed),
    suite: details?.type === "suite",
    seconds: (details?.duration_ms ?? 0) / 1000,
    kind: error?.failureType,
    error: error && textOf(error),
  });
  clearTimeout(timer);
  timer = setTimeout(() => {
    tell({ type: "open", resources: process.getActiveResourcesInfo() });
  }, OPEN_AFTER_MS).unref();
}

function verdictOf({ skip = false, todo = false }: Data, passed: boolean): Ended["verdict"] {
  if (skip === "test name does not match pattern") return "left out";
  if (skip !== false || todo !== false) return "skipped";
  return passed ? "passed" : "failed";
}

/** The error that the test threw, whole, without node:test's wrapping. */
function textOf(error: Error): string {
  const cause: unknown = error.cause ?? error.message;
  return typeof cause === "string" ? cause : inspect(cause, { depth: 8 });
}

const listeners: Record<string, (data: Data) => void> = {
  "test:enqueue": ({ name, nesting }) => {
    tell({ type: "queued", name, nesting });
  },
  "test:dequeue": ({ name, nesting }) => {
    tell({ type: "started", name, nesting });
  },
  "test:pass": (data) => {
    ended(data, true);
  },
  "test:fail": (data) => {
    ended(data, false);
  },
  "test:diagnostic": ({ message = "" }) => {
    if (!TOTALS.test(message)) tell({ type: "said", text: message });
  },
};

// Not in processes that a test starts: what they say is no event of this one.
Reflect.deleteProperty(process.env, variables.events);

process.on("exit", () => {
  // utime, stime, cutime and cstime of proc(5), in hundredths of a second; the name before them may hold spaces.
  const [, times = ""] = /^.*\)(?: \S+){11}((?: \d+){4})/.exec(readFileSync("/proc/self/stat", "utf8")) ?? [];
  const ticks = times.trim().split(" ").map(Number);
  tell({ type: "usage", seconds: ticks.reduce((sum, each) => sum + each, 0) / 100 });
});

const reporter = new Transform({
  writableObjectMode: true,
  transform: (_event, _encoding, done) => {
    done();
  },
});
reporter.on("pipe", (source: NodeJS.EventEmitter) => {
  for (const [event, listener] of Object.entries(listeners)) source.on(event, listener);
});

export = reporter;
