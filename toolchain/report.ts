/** Shows how far a step is. On a terminal the line is rewritten, elsewhere it is printed now and then. */
export type Progress = (line: string) => void;

// Without a terminal a line that changes all the time would fill the log.
const QUIET_INTERVAL_MS = 10_000;

/** A failed step, already described to the last word: no stack trace is of use. */
export class StepError extends Error {}

/**
 * Runs one step of set-up that really has something to do: says what, how far, and how long it took.
 *
 * @throws StepError naming the step
 */
export async function step<Result>(what: string, work: (progress: Progress) => Promise<Result>): Promise<Result> {
  const started = Date.now();
  const terminal = process.stderr.isTTY;
  let last = started;
  let shown = "";
  const show = (line: string): void => {
    const text = `  ${elapsed(started)}  ${line}`;
    if (terminal) {
      process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
    } else if (Date.now() - last >= QUIET_INTERVAL_MS) {
      last = Date.now();
      process.stderr.write(`${text}\n`);
    }
    shown = line;
  };
  process.stderr.write(`${what} …\n`);
  const ticking = setInterval(() => {
    if (shown !== "") show(shown);
  }, 1_000);
  const finish = (): void => {
    clearInterval(ticking);
    if (terminal) process.stderr.write("\r\u001b[K");
  };
  try {
    const result = await work(show);
    finish();
    process.stderr.write(`${what}: done in ${elapsed(started)}\n`);
    return result;
  } catch (error) {
    finish();
    throw new StepError(`${what}: failed after ${elapsed(started)}: ${(error as Error).message}`, { cause: error });
  }
}

/** Time since a moment, as people say it: `0.4 s`, `12 s`, `3 min 5 s`. */
export function elapsed(since: number): string {
  const seconds = (Date.now() - since) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  return `${String(Math.floor(seconds / 60))} min ${String(Math.floor(seconds % 60))} s`;
}
