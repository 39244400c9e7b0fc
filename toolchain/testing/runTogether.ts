import { join, relative } from "node:path";
import { root } from "../paths";
import { attempt } from "./attempt";
import type { TestEvent } from "./events";
import { Progress } from "./progress";
import type { Sink, TestResult } from "./results";
import { type Cost, type Run, runAlone, runRest } from "./runFile";

/** A file among several in one process. */
interface Member {
  readonly progress: Progress;
  isOver: boolean;
  started: number;
  seconds: number;
}

/**
 * Runs several test files in one process, one after the other. If the process doesn't get to its end, each file whose tests have not all ended
 * gets a process of its own for them.
 */
export async function runTogether(files: readonly string[], run: Run): Promise<ReadonlyMap<string, Cost>> {
  const members = new Map<string, Member>();
  for (const file of files) {
    members.set(file, { progress: new Progress(file, run.sink), isOver: false, started: 0, seconds: 0 });
  }
  let current: Member | undefined;
  const ending = await attempt({
    ...run,
    argv: [join(__dirname, "many.ts"), ...files.map((file) => join(root, file))],
    onEvent: (event) => {
      if (!("nesting" in event)) return;
      if (event.nesting > 0) current?.progress.take({ ...event, nesting: event.nesting - 1 });
      else current = turn(members.get(relative(root, event.name)), event) ?? current;
    },
    onLine: (line) => {
      run.sink.line(current?.progress.file ?? files.join(", "), line);
    },
    isBusy: () => [...members.values()].some(({ isOver }) => !isOver),
  });

  const costs = new Map<string, Cost>();
  const whole = [...members.values()].reduce((sum, { seconds }) => sum + seconds, 0);
  const rest: Member[] = [];
  for (const [file, member] of members) {
    costs.set(file, { seconds: member.seconds, cpu: whole > 0 ? (ending.cpu * member.seconds) / whole : 0 });
    if (!member.isOver || member.progress.remaining.length > 0) rest.push(member);
  }
  const stopped = run.stop();
  for (const { progress } of rest) {
    if (progress.running !== undefined || stopped !== undefined) {
      const why = stopped ?? ending.killed ?? `the process ended with exit code ${String(ending.exitCode)}`;
      progress.blame(`ended: ${why}\n${ending.evidence}`);
    }
    if (stopped === undefined && (progress.remaining.length > 0 || !progress.hasFailed)) {
      const earlier = costs.get(progress.file);
      const cost = await runRest(progress, run);
      costs.set(progress.file, {
        seconds: (earlier?.seconds ?? 0) + cost.seconds,
        cpu: (earlier?.cpu ?? 0) + cost.cpu,
      });
    }
  }
  if (rest.length === 0 && stopped === undefined) await judgeEnd(files, run, members, ending);
  return costs;
}

/** Takes the start or the end of a whole file; gives back the file that has started. */
function turn(member: Member | undefined, event: TestEvent): Member | undefined {
  if (member === undefined) return undefined;
  if (event.type === "started") {
    member.started = Date.now();
    return member;
  }
  if (event.type === "ended") {
    member.isOver = true;
    member.seconds = (Date.now() - member.started) / 1000;
    const isOwn = event.verdict === "failed" && event.kind !== "subtestsFailed" && event.kind !== "cancelledByParent";
    if (isOwn && member.progress.running === undefined) member.progress.blame(event.error ?? "it failed");
  }
  return undefined;
}

/** All tests have ended: so must the process, and well. Else the files run again alone, only to know which one it is. */
async function judgeEnd(
  files: readonly string[],
  run: Run,
  members: ReadonlyMap<string, Member>,
  ending: { readonly killed: string | undefined; readonly exitCode: number | null },
): Promise<void> {
  const hasFailed = [...members.values()].some(({ progress }) => progress.hasFailed);
  if (ending.killed === undefined && (ending.exitCode === 0 || hasFailed)) return;
  const found: TestResult[] = [];
  const sink: Sink = {
    line: () => undefined,
    test: (result) => {
      if (result.top !== undefined) return;
      found.push(result);
      run.sink.test(result);
    },
  };
  for (const file of files) await runAlone(file, { ...run, sink });
  const why = ending.killed ?? `the process ended with exit code ${String(ending.exitCode)}`;
  const [first] = members.values();
  if (found.length === 0) first?.progress.blame(`one of ${files.join(", ")}: ${why}; each alone does not`);
}
