import { capture } from "../process";
import { StepError } from "../report";

/**
 * Paths that differ from where this branch left `main` (`origin/main` if there is one), those that aren't committed among them.
 *
 * @throws StepError without git, or without a main
 */
export async function changedFiles(folder: string): Promise<string[]> {
  const git = async (...args: string[]): Promise<string | undefined> => {
    const { exitCode, stdout } = await capture("git", args, { cwd: folder });
    return exitCode === 0 ? stdout : undefined;
  };
  const inside = await git("rev-parse", "--show-toplevel").catch(() => undefined);
  if (inside === undefined) {
    throw new StepError(
      "--changed asks git what differs from main, and this is no git checkout: name the tests instead",
    );
  }
  const base =
    (await git("merge-base", "HEAD", "refs/remotes/origin/main")) ??
    (await git("merge-base", "HEAD", "refs/heads/main"));
  if (base === undefined) throw new StepError("--changed: git knows neither origin/main nor main to compare with");
  const differing = await git("diff", "--name-only", "--no-renames", "-z", base.trim());
  const untracked = await git("ls-files", "-z", "--others", "--exclude-standard");
  if (differing === undefined || untracked === undefined) throw new StepError("--changed: git diff failed");
  const paths = `${differing}${untracked}`.split("\0").filter((path) => path !== "");
  return [...new Set(paths)].sort();
}
