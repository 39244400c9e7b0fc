import { isAwaited, type Selected } from "../../test/selection";
import { type Need, isUnit, needOf, wantsOwnProcess } from "./kinds";
import { type Job, share } from "./schedule";

/** Test files that one process runs. */
export interface FileJob extends Job {
  readonly need: Need;
  readonly files: readonly string[];
  readonly names?: string | undefined;
}

// Each of these loads the same large packages, so one process is to have them all.
const TOGETHER = ["test/components/"];
// What a file that nobody has timed yet may take.
const UNKNOWN_SECONDS = 0.5;

/**
 * What to run: a job a file, but unit tests in a few processes, each with many files.
 *
 * @param workers how many processes for unit tests
 * @param seconds what the files took the last time
 */
export function jobsOf(
  root: string,
  selected: readonly Selected[],
  workers: number,
  seconds: ReadonlyMap<string, number>,
): FileJob[] {
  const shared = selected.filter(({ file }) => isUnit(file) && !wantsOwnProcess(root, file));
  const alone = selected.filter((each) => !shared.includes(each));
  const jobs = alone.map(({ file, names }): FileJob => {
    return {
      name: file,
      need: needOf(file),
      seconds: seconds.get(file),
      files: [file],
      names,
      isAwaited: isAwaited(file),
    };
  });
  const secondsOf = (files: readonly string[]): number =>
    files.reduce((sum, file) => sum + (seconds.get(file) ?? UNKNOWN_SECONDS), 0);
  for (const names of new Set(shared.map((each) => each.names))) {
    const bundles = bundlesOf(shared.filter((each) => each.names === names).map(({ file }) => file));
    for (const files of share(bundles, workers, secondsOf).map((each) => each.flat())) {
      jobs.push({ name: files.join(", "), need: "nothing", seconds: secondsOf(files), files, names, isAwaited: false });
    }
  }
  return jobs;
}

function bundlesOf(files: readonly string[]): string[][] {
  const bundles = new Map<string, string[]>();
  for (const file of files) {
    const key = TOGETHER.find((folder) => file.startsWith(folder)) ?? file;
    bundles.set(key, [...(bundles.get(key) ?? []), file]);
  }
  return [...bundles.values()];
}
