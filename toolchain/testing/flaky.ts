import type { Print } from "./print";
import type { Sink, TestResult } from "./results";
import { exactly } from "./runFile";

/**
 * Runs failed tests once more, a few of them, only to tell which are flaky: those stay red, too, but are named as such.
 *
 * @param tests all results; those of flaky tests are replaced
 * @param most how many are
 * @param run runs the tests of a file whose names match
 */
export async function rerun(
  tests: TestResult[],
  most: number,
  stop: () => string | undefined,
  print: Print,
  run: (file: string, names: string, sink: Sink) => Promise<unknown>,
): Promise<void> {
  const failed = new Map<string, { file: string; top: string }>();
  for (const { verdict, file, top } of tests) {
    if (verdict === "failed" && top !== undefined) failed.set(`${file}\0${top}`, { file, top });
  }
  for (const { file, top } of [...failed.values()].slice(0, most)) {
    if (stop() !== undefined) return;
    print(`once more, whether it is flaky: ${top} (${file})`);
    const again: TestResult[] = [];
    await run(file, exactly([top]), {
      test: (result) => again.push(result),
      line: () => undefined,
    });
    const passes =
      again.some(({ verdict }) => verdict === "passed") && again.every(({ verdict }) => verdict !== "failed");
    if (!passes) continue;
    tests.forEach((test, index) => {
      if (test.file === file && test.top === top && test.verdict === "failed")
        tests[index] = { ...test, verdict: "flaky" };
    });
  }
}
