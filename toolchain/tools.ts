import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { capture } from "./process";
import { root } from "./paths";
import { StepError, elapsed } from "./report";

/** What .gitignore names: made here, no part of the project. */
const MADE = [".git", ".state", "node_modules"];

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

/** Tracked files, and new ones that git does not ignore; all there are, but for what is made, where there is no git. */
export async function projectFiles(folder = root): Promise<string[]> {
  if (!(await isCheckout(folder))) return filesBelow(folder).sort();
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const { exitCode, stdout, stderr } = await capture("git", args, { cwd: folder });
  if (exitCode !== 0) throw new StepError(`git ls-files: ${stderr}`);
  return stdout.split("\0").filter((path) => path !== "");
}

/** Whether git knows this folder as the top of a checkout; it may be an unpacked archive, and even lie in somebody else's checkout. */
async function isCheckout(folder: string): Promise<boolean> {
  // A file in a worktree, a folder else.
  return existsSync(join(folder, ".git")) && (await hasGit());
}

async function hasGit(): Promise<boolean> {
  return capture("git", ["--version"]).then(
    ({ exitCode }) => exitCode === 0,
    () => false,
  );
}

function filesBelow(folder: string, path = ""): string[] {
  return readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
    if (MADE.includes(entry.name) || entry.name.endsWith(".log")) return [];
    const own = join(path, entry.name);
    return entry.isDirectory() ? filesBelow(folder, own) : [own];
  });
}
