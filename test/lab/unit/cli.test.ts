import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Result, tryRun } from "../../../lab/run";

// tsx's loader for require() alone starts in a third of the time of the whole one.
const cli = join(__dirname, "..", "..", "..", "lab", "cli.ts");
const lab = (...args: string[]): Promise<Result> => tryRun([process.execPath, "--require", "tsx/cjs", cli, ...args]);

void test("mistakes in the command line end with code 2 and say what to read", async () => {
  for (const [args, message] of [
    [["dance"], /there is no command 'dance'/],
    [["kill"], /kill needs the name of a host/],
    [["ls", "--instance", "prod"], /there is no lab 'prod': dev or test/],
    [["ls", "--jsno"], /--jsno/],
  ] as const) {
    const { exitCode, stderr } = await lab(...args);
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, message);
    assert.match(stderr, /npm run lab -- --help/);
  }
});

void test("--help names every command", async () => {
  const { exitCode, stdout } = await lab("--help");
  assert.equal(exitCode, 0);
  for (const command of ["up", "ls", "exec", "logs", "kill", "down"]) {
    assert.match(stdout, new RegExp(`^  ${command} `, "m"));
  }
});
