import { spawn, type SpawnOptions } from "node:child_process";

/** How a program is started. */
export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Gets each line of stdout and stderr as it comes. */
  onLine?: (line: string) => void;
}

/** What a program left. */
export interface Result {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs a program on this terminal and resolves with its exit code. Ctrl-C is the program's to handle. */
export async function attach(file: string, args: readonly string[], options: SpawnOptions = {}): Promise<number> {
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  try {
    return await new Promise<number>((resolve, reject) => {
      const child = spawn(file, args, { stdio: "inherit", ...options });
      child.on("error", (error) => {
        reject(notStarted(file, error));
      });
      child.on("exit", (code, signal) => {
        resolve(code ?? (signal === "SIGINT" ? 130 : 143));
      });
    });
  } finally {
    process.off("SIGINT", ignore);
  }
}

/** Runs a program and collects its output, whatever its exit code. */
export async function capture(file: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const { cwd, env, onLine } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env }),
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      let rest = "";
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
        if (onLine === undefined) return;
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        lines.forEach(onLine);
      });
    }
    child.on("error", (error) => {
      reject(notStarted(file, error));
    });
    child.on("close", (code) => {
      resolve({ exitCode: code ?? 143, ...output });
    });
  });
}

/** Runs a program that must succeed. @throws with the last lines of its output */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const result = await capture(file, args, options);
  if (result.exitCode === 0) return result;
  const tail = (result.stderr + result.stdout).trim().split("\n").slice(-20).join("\n");
  throw new Error(`${[file, ...args].join(" ")}: exit code ${String(result.exitCode)}\n${tail}`);
}

function notStarted(file: string, error: NodeJS.ErrnoException): Error {
  return error.code === "ENOENT" ? new Error(`${file}: not found on PATH`, { cause: error }) : error;
}
