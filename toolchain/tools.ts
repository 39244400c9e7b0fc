import { capture } from "./process";
import { root } from "./paths";
import { StepError, elapsed } from "./report";

/** One check of several that all run before the verdict. */
export interface Check {
  name: string;
  /** Resolves with what is wrong, empty if nothing. */
  run: () => Promise<string>;
}

/** Runs checks one after the other, shows what they complain about, and resolves with the exit code. */
export async function runChecks(checks: readonly Check[]): Promise<number> {
  const failed: string[] = [];
  for (const { name, run } of checks) {
    const started = Date.now();
    const complaint = await run();
    process.stderr.write(`${complaint === "" ? "ok  " : "FAIL"} ${name} (${elapsed(started)})\n`);
    if (complaint === "") continue;
    failed.push(name);
    process.stdout.write(`${complaint.trimEnd()}\n`);
  }
  if (failed.length > 0) process.stderr.write(`failed: ${failed.join(", ")}\n`);
  return failed.length > 0 ? 1 : 0;
}

/** A check that is one program: its output is the complaint if it fails. */
export function program(name: string, file: string, args: readonly string[]): Check {
  return {
    name,
    run: async () => {
      const { exitCode, stdout, stderr } = await capture(file, args, { cwd: root });
      return exitCode === 0 ? "" : stdout + stderr || `${file}: exit code ${String(exitCode)}`;
    },
  };
}

/** Tracked files, and new ones that git does not ignore. */
export async function projectFiles(): Promise<string[]> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const { exitCode, stdout, stderr } = await capture("git", args, { cwd: root });
  if (exitCode !== 0) throw new StepError(`git ls-files: ${stderr}`);
  return stdout.split("\0").filter((path) => path !== "");
}
