import { spawn } from "node:child_process";

/** What a finished program left. */
export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit code; 128 plus the number for a signal, as in a shell. */
  readonly exitCode: number;
}

/** A program that the lab needs said no. */
export class CommandError extends Error {
  constructor(
    readonly argv: readonly string[],
    readonly result: Result,
  ) {
    const said = (result.stderr || result.stdout).trim();
    super(`${argv.join(" ")} failed with exit code ${String(result.exitCode)}${said === "" ? "" : `: ${said}`}`);
    this.name = "CommandError";
  }
}

/** Options of {@link tryRun}. */
export interface RunOptions {
  readonly input?: string | Buffer;
  /** Called with each whole line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Runs a program and waits for it; any exit code is a result. Throws only if it can't be started. */
export function tryRun(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [program = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    for (const stream of ["stdout", "stderr"] as const) {
      let rest = "";
      child[stream].on("data", (chunk: Buffer) => {
        chunks[stream].push(chunk);
        if (options.onLine !== undefined) {
          const lines = (rest + chunk.toString()).split("\n");
          rest = lines.pop() ?? "";
          lines.forEach(options.onLine);
        }
      });
    }
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({
        stdout: Buffer.concat(chunks.stdout).toString(),
        stderr: Buffer.concat(chunks.stderr).toString(),
        exitCode: code ?? 128 + (signal === "SIGKILL" ? 9 : 15),
      });
    });
    // A program that ends without reading its input is not an error here: its exit code tells.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a program that must succeed, and returns its stdout. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(argv, options);
  if (result.exitCode !== 0) {
    throw new CommandError(argv, result);
  }
  return result.stdout;
}

/** Removes large folders. By a program of its own, for the daemon must answer meanwhile: a disk has 100 000 files. */
export async function removeTrees(folders: readonly string[]): Promise<void> {
  await run(["rm", "-rf", "--one-file-system", "--", ...folders]);
}

/** Options of {@link waitUntil}. */
export interface WaitOptions {
  /** Milliseconds until it gives up. */
  readonly deadline: number;
  /** What is waited for, for the error. */
  readonly what: string;
  /** Milliseconds between the first two looks; they grow ten times as long, so that what takes long is looked at less often. */
  readonly interval?: number;
}

/** Looks until `probe` returns something other than undefined or false, and returns that; throws at the deadline. */
export async function waitUntil<T>(
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { deadline, what, interval = 25 }: WaitOptions,
): Promise<T> {
  const end = Date.now() + deadline;
  for (let pause = interval; ; pause = Math.min(pause * 1.2, interval * 10)) {
    const found = await probe();
    if (found !== undefined && found !== false) {
      return found;
    }
    if (Date.now() >= end) {
      throw new Error(`gave up after ${String(deadline / 1000)} s waiting for ${what}`);
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
