import { join } from "node:path";
import { ofKind, ofLayer, layersTouchedBy, type Selected } from "../../test/selection";
import { browserPackages, ensurePackages, labPackages, testPackages } from "../debian";
import { ensureEngine, environment } from "../engine";
import { cacheFolder, root, stateFolder } from "../paths";
import { requireLabHost } from "../platform";
import { run as runProgram } from "../process";
import { StepError, elapsed } from "../report";
import { ensurePassphrase } from "../secrets";
import { ensureTailnet } from "../tailnet";
import { changedFiles } from "../testing/changed";
import { choose } from "../testing/choose";
import { variables } from "../testing/events";
import { isUnit, needOf } from "../testing/kinds";
import type { Lanes } from "../testing/lanes";
import { type Options, UsageError, isEverything, parseOptions } from "../testing/options";
import { environmentOf, runTests } from "../testing/run";
import { projectFiles } from "../tools";
import { lintOnce } from "./lint";

/** How long `npm test` may take, in seconds: less than what continuous integration gives it, so that it says itself what hangs. */
const LIMIT = 80 * 60;

/** `test:unit [WORD…]`: the tests that need neither root nor a network, once the tools that they call are installed. */
export function unit(args: string[]): Promise<number> {
  return all(["--kind", "unit", ...args]);
}

/** `test [WORD…] [OPTION…]`: the tests that were asked for; all of them with lint beside them. Sets up only what they need. */
export async function all(args: string[]): Promise<number> {
  try {
    return await run(parseOptions(args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

async function run(options: Options): Promise<number> {
  const started = Date.now();
  const files = (await projectFiles()).filter((path) => path.endsWith(".test.ts")).sort();
  if (files.length === 0) throw new StepError("there are no tests");
  const changed = (): Promise<string[]> => changedFiles(root);
  const selected = await choose(options, { files, ofLayer, ofKind, layersTouchedBy, changed });
  if (options.list) {
    for (const { file, names } of selected) print(names === undefined ? file : `${file}: ${names}`);
    return 0;
  }
  if (selected.length === 0) {
    process.stderr.write("nothing to run: no test file is what was asked for\n");
    print("0 passed, 0 failed");
    return 1;
  }
  const onHosts = selected.some(({ file }) => !isUnit(file));
  if (onHosts) requireLabHost();
  await ensurePackages([...testPackages, ...(onHosts ? [...labPackages, ...browserPackages] : [])]);
  // Beside the tests: hosts keep people waiting more than processors busy.
  const linting = isEverything(options) ? lintOnce().catch(told) : Promise.resolve(0);
  const env = onHosts ? await setUp() : process.env;
  const made = await lanesFor(selected, options);
  if (onHosts) process.stderr.write(`set-up: ready after ${elapsed(started)}\n`);
  try {
    const code = await runTests({
      selected,
      lanes: made.lanes,
      started,
      print,
      env: {
        ...environmentOf(env),
        ...(onHosts && (await registry())),
        ...(options.layer !== undefined && { [variables.layer]: options.layer }),
      },
      limit: Number(process.env["MONOCLAW_TEST_DEADLINE"] ?? LIMIT) * 1000,
      results: join(stateFolder, "test-results"),
      seconds: join(cacheFolder, "test-seconds.json"),
    });
    return Math.max(code, await linting);
  } finally {
    await made.close();
  }
}

/** Tells of a check that could not be made. */
function told(error: unknown): number {
  process.stderr.write(`lint: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}

/** What tests on hosts need beside a lab; gives back their environment. */
async function setUp(): Promise<NodeJS.ProcessEnv> {
  const engine = await ensureEngine();
  await ensurePassphrase();
  await ensureTailnet();
  return environment(engine);
}

/** npm's registry, asked for once: else each of the many runs of the program starts npm to ask it. */
async function registry(): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await runProgram("npm", ["config", "get", "registry"], { cwd: root });
  return { npm_config_registry: stdout.trim() };
}

async function lanesFor(selected: readonly Selected[], { lanes }: Options): Promise<Lanes> {
  const needed = selected.filter(({ file }) => needOf(file) === "lane").length;
  if (needed === 0) return { lanes: [], close: () => Promise.resolve() };
  // It brings the lab with it, which unit tests do without.
  const { makeLanes } = await import("../testing/lanes");
  return makeLanes(Math.min(lanes, needed));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
