import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { browserPackages, ensurePackages, labPackages, testPackages } from "../debian";
import { ensureEngine, environment } from "../engine";
import { loadLab } from "../lab";
import { root, stateFolder } from "../paths";
import { requireLabHost } from "../platform";
import { capture, run } from "../process";
import { StepError, elapsed } from "../report";
import { ensurePassphrase } from "../secrets";
import { ensureTailnet } from "../tailnet";
import { projectFiles } from "../tools";
import { lint } from "./lint";

// Need neither root, nor a network, nor an engine.
const UNIT = ["test/unit/", "test/components/", "test/templates/", "test/toolchain/unit/", "test/lab/unit/"];

// What a test file says that uses the one shared host; such files must not run side by side.
const SHARED_HOST = /\b(?:hostTest|sharedStack)\(/;

/** A file of tests that takes longer hangs, and must not hang all others. */
const FILE_DEADLINE_MS = 20 * 60_000;

/** `test:unit [NAME]`: the tests that need neither root nor a network, once the tools that they call are installed. */
export async function unit([name]: string[]): Promise<number> {
  await ensurePackages(testPackages);
  return runTests((path) => UNIT.some((folder) => path.startsWith(folder)), name, process.env);
}

/** `test [NAME]`: lint, then set-up of engine, packages and lab, then every test; with a name those whose file or name matches, no lint. */
export async function all([name]: string[]): Promise<number> {
  requireLabHost();
  const started = Date.now();
  await ensurePackages([...labPackages, ...testPackages, ...browserPackages]);
  if (name === undefined) {
    const code = await lint();
    if (code !== 0) return code;
  }
  const engine = await ensureEngine();
  await ensurePassphrase();
  await ensureTailnet();
  const lab = await loadLab();
  // A host of an earlier run knows that run's history, so the tests begin with none.
  await discard(lab);
  await lab.ensureLab({ instance: "test" });
  process.stderr.write(`set-up: ready after ${elapsed(started)}\n`);
  try {
    return await runTests(() => true, name, environment(engine), await registry());
  } finally {
    await discard(lab);
  }
}

/** npm's registry, asked for once: else each of the many runs of the program starts npm to ask it. */
async function registry(): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await run("npm", ["config", "get", "registry"], { cwd: root });
  return { npm_config_registry: stdout.trim() };
}

/** Takes down the tests' lab and forgets its stacks. */
async function discard(lab: Awaited<ReturnType<typeof loadLab>>): Promise<void> {
  await lab.stopLab({ instance: "test" });
  rmSync(join(stateFolder, "test"), { recursive: true, force: true });
}

async function runTests(
  belongs: (path: string) => boolean,
  name: string | undefined,
  env: NodeJS.ProcessEnv,
  own: NodeJS.ProcessEnv = {},
): Promise<number> {
  const files = (await projectFiles()).filter((path) => path.endsWith(".test.ts") && belongs(path)).sort();
  if (files.length === 0) throw new StepError("there are no tests");
  const named = name === undefined ? files : files.filter((path) => path.includes(name));
  // A name that is no file's is looked for among the tests' own names.
  const filter = name !== undefined && named.length === 0 ? ["--test-name-pattern", name] : [];
  const chosen = named.length === 0 ? files : named;
  const started = Date.now();
  const isShared = (path: string): boolean => SHARED_HOST.test(readFileSync(join(root, path), "utf8"));
  const lanes = [chosen.filter(isShared), chosen.filter((path) => !isShared(path))].filter((lane) => lane.length > 0);
  const tests = { ...withoutRunner(env), ...own, MONOCLAW_TEST_RUN: randomUUID() };
  // Side by side, since hosts keep people waiting more than processors busy.
  const tallies = await Promise.all(lanes.map((lane) => runLane([...filter, ...lane], tests)));
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  if (passed + failed === 0) throw new StepError(`no test file and no test is named ${String(name)}`);
  const code = Math.max(...tallies.map((tally) => tally.exitCode));
  process.stderr.write(`tests: ${code === 0 ? "passed" : "FAILED"} after ${elapsed(started)}\n`);
  print(`${String(passed)} passed, ${String(failed)} failed`);
  return code;
}

/** How the tests of one lane ended. */
interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly exitCode: number;
}

/** Runs test files one after the other. */
async function runLane(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Tally> {
  const options = ["--test-reporter", "spec", "--test-concurrency", "1", "--test-timeout", String(FILE_DEADLINE_MS)];
  const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
  const count: Record<string, number> = {};
  const { exitCode } = await capture(process.execPath, ["--import", "tsx", "--test", ...options, ...args], {
    cwd: root,
    env: { ...env, ...colour },
    onLine: (line) => {
      const [, what, number] = /ℹ (pass|fail|cancelled) (\d+)/.exec(line) ?? [];
      if (what !== undefined) count[what] = Number(number);
      print(line);
    },
  });
  return { passed: count["pass"] ?? 0, failed: (count["fail"] ?? 0) + (count["cancelled"] ?? 0), exitCode };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Tests must not depend on what `npm run` puts into the environment. */
function withoutRunner(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith("npm_") && name !== "NODE_TEST_CONTEXT");
  const path = (env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.endsWith("node_modules/.bin"));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter) };
}
