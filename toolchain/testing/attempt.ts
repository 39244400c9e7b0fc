import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../paths";
import { type TestEvent, parseEvents, variables } from "./events";
import type { Deadlines } from "./kinds";
import type { Lane } from "./lane";
import { ProcessTree } from "./processes";

/** One process that runs tests. */
export interface Attempt {
  /** What node runs, after its own options. */
  readonly argv: readonly string[];
  /** Regular expression of the names of the tests to run. */
  readonly names?: string | undefined;
  /** Options of node by which it understands TypeScript. */
  readonly loader: readonly string[];
  readonly lane: Lane;
  readonly env: NodeJS.ProcessEnv;
  readonly deadlines: Deadlines;
  /** Puts the processes into a group of their own, which only root may. */
  readonly grouped: boolean;
  /** A folder for the files of this process. */
  readonly folder: string;
  readonly onEvent: (event: TestEvent) => void;
  readonly onLine: (line: string) => void;
  /** True while a test runs or may still start: tells which deadline holds. */
  readonly isBusy: () => boolean;
  /** A reason to end the process now, whatever its deadlines say. */
  readonly stop: () => string | undefined;
}

/** How a process of tests ended. */
export interface Ending {
  /** Why the runner ended it; undefined if it ended by itself. */
  readonly killed: string | undefined;
  /** True if the tests had all ended then. */
  readonly onlyOpen: boolean;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Seen beside a process that was ended: its processes, and what the lane knows. */
  readonly evidence: string;
  /** Processes that it left behind, which were ended, too. */
  readonly left: number;
  readonly cpu: number;
}

const LOOK_EVERY_MS = 100;
// How often their processor time is asked for.
const COUNT_EVERY_MS = 1_000;
// What may still come through the pipes of a process that has ended.
const OUTPUT_MS = 500;
// Until the first event a file may take this long, however short its tests' deadline is.
const LOADING_MS = 15_000;
const EVIDENCE_MS = 30_000;
let count = 0;

/** Runs one process to its end, or ends it, with every process that it started. Never takes longer than its deadlines. */
export async function attempt(what: Attempt): Promise<Ending> {
  const { lane, deadlines } = what;
  const id = randomUUID().slice(0, 8);
  const outer = process.env[variables.mark];
  const mark = outer === undefined ? id : `${outer}/${id}`;
  const tree = new ProcessTree(mark, what.grouped ? `monoclaw-test-${id}` : undefined);
  const events = join(what.folder, `events-${String(++count)}`);
  writeFileSync(events, "");
  const argv = lane.command(tree.command(nodeCommand(what)));
  const started = Date.now();
  const child = spawn(argv[0] ?? "", argv.slice(1), {
    cwd: root,
    env: { ...what.env, ...lane.env, [variables.mark]: mark, [variables.events]: events },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let over: Pick<Ending, "exitCode" | "signal"> | undefined;
  child.once("exit", (exitCode, signal) => (over = { exitCode, signal }));
  child.once("error", (error) => {
    what.onLine(error.message);
    over = { exitCode: 127, signal: null };
  });
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", what.onLine);
  const closed = new Promise((resolve) => child.once("close", resolve));

  const tail = new Tail(events);
  let [last, counted, countedAt, used] = [started, 0, 0, 0];
  const look = (): void => {
    for (const event of parseEvents(tail.lines())) {
      if (event.type === "usage") used = event.seconds;
      else if (event.type !== "open") last = Date.now();
      what.onEvent(event);
    }
    if (Date.now() - countedAt >= COUNT_EVERY_MS) {
      counted = tree.cpuSeconds() ?? counted;
      countedAt = Date.now();
    }
  };
  let [killed, evidence, onlyOpen]: [string | undefined, string, boolean] = [undefined, "", false];
  for (;;) {
    const ended = over !== undefined;
    look();
    if (ended) break;
    const [now, busy] = [Date.now(), what.isBusy()];
    const limit = busy ? Math.max(deadlines.test, last === started ? LOADING_MS : 0) : deadlines.end;
    killed =
      what.stop() ??
      overdue(now - last, limit, busy ? "no test ended" : "all tests had ended") ??
      overdue(now - started, deadlines.file, "the file ran");
    if (killed !== undefined) {
      onlyOpen = !busy;
      evidence = await evidenceOf(tree, lane);
      break;
    }
    await sleep(LOOK_EVERY_MS);
  }
  const left = tree.pids().length;
  await tree.kill();
  await Promise.race([closed, sleep(OUTPUT_MS, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
  countedAt = 0;
  look();
  tail.close();
  await tree.forget();
  const { exitCode, signal } = over ?? { exitCode: null, signal: "SIGKILL" };
  const cpu = Math.max(counted, used);
  return { killed, onlyOpen, exitCode, signal, evidence, left: killed === undefined ? left : 0, cpu };
}

function nodeCommand({ argv, names, loader }: Attempt): string[] {
  const reporter = ["--test-reporter", join(__dirname, "reporter.mjs"), "--test-reporter-destination", "/dev/null"];
  const pattern = names === undefined ? [] : ["--test-name-pattern", names];
  return [process.execPath, ...loader, ...reporter, ...pattern, ...argv];
}

function overdue(passed: number, limit: number, what: string): string | undefined {
  return passed <= limit
    ? undefined
    : `${what} for ${(passed / 1000).toFixed(1)} s, ${String(limit / 1000)} s are allowed`;
}

async function evidenceOf(tree: ProcessTree, lane: Lane): Promise<string> {
  const parts = [
    `its processes:\n${await tree.list()}`,
    await Promise.race([
      lane.evidence().catch((error: unknown) => `no evidence from ${lane.name}: ${String(error)}`),
      sleep(EVIDENCE_MS, `no evidence from ${lane.name} within ${String(EVIDENCE_MS / 1000)} s`, { ref: false }),
    ]),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

/** Reads what a file gains, line by line. */
class Tail {
  private readonly fd: number;
  private position = 0;

  constructor(path: string) {
    this.fd = openSync(path, "r");
  }

  /** Whole lines since the last time. */
  lines(): string[] {
    const size = fstatSync(this.fd).size - this.position;
    if (size <= 0) return [];
    const buffer = Buffer.alloc(size);
    readSync(this.fd, buffer, 0, size, this.position);
    const whole = buffer.lastIndexOf("\n") + 1;
    this.position += whole;
    return buffer.toString("utf8", 0, whole).split("\n");
  }

  close(): void {
    closeSync(this.fd);
  }
}
