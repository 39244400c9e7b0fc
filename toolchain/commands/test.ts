import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ensurePackages, labPackages, testPackages } from "../debian";
import { ensureEngine, environment } from "../engine";
import { loadLab } from "../lab";
import { root, stateFolder } from "../paths";
import { requireLabHost } from "../platform";
import { attach } from "../process";
import { StepError, elapsed } from "../report";
import { ensurePassphrase } from "../secrets";
import { projectFiles } from "../tools";
import { lint } from "./lint";

// Need neither root, nor a network, nor an engine.
const UNIT = ["test/unit/", "test/components/", "test/templates/", "test/toolchain/unit/", "test/lab/unit/"];

/** `test:unit [NAME]`: the tests that need neither root nor a network, once the tools that they call are installed. */
export async function unit([name]: string[]): Promise<number> {
  await ensurePackages(testPackages);
  return runTests((path) => UNIT.some((folder) => path.startsWith(folder)), name, process.env);
}

/** `test [NAME]`: lint, then set-up of engine, packages and lab, then every test; with a name those whose file or name matches, no lint. */
export async function all([name]: string[]): Promise<number> {
  requireLabHost();
  const started = Date.now();
  await ensurePackages([...labPackages, ...testPackages]);
  if (name === undefined) {
    const code = await lint();
    if (code !== 0) return code;
  }
  const engine = await ensureEngine();
  await ensurePassphrase();
  const lab = await loadLab();
  // A host of an earlier run knows that run's history, so the tests begin with none.
  await discard(lab);
  await lab.ensureLab({ instance: "test" });
  process.stderr.write(`set-up: ready after ${elapsed(started)}\n`);
  try {
    return await runTests(() => true, name, environment(engine));
  } finally {
    await discard(lab);
  }
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
): Promise<number> {
  const files = (await projectFiles()).filter((path) => path.endsWith(".test.ts") && belongs(path)).sort();
  if (files.length === 0) throw new StepError("there are no tests");
  const named = name === undefined ? files : files.filter((path) => path.includes(name));
  // A name that is no file's is looked for among the tests' own names.
  const filter = name !== undefined && named.length === 0 ? ["--test-name-pattern", name] : [];
  const chosen = named.length === 0 ? files : named;
  const started = Date.now();
  const args = [
    "--import",
    "tsx",
    "--test",
    "--test-reporter",
    "spec",
    "--test-concurrency",
    "1",
    ...filter,
    ...chosen,
  ];
  const code = await attach(process.execPath, args, {
    cwd: root,
    env: { ...withoutRunner(env), MONOCLAW_TEST_RUN: randomUUID() },
  });
  process.stderr.write(`tests: ${code === 0 ? "passed" : "FAILED"} after ${elapsed(started)}\n`);
  return code;
}

/** Tests must not depend on what `npm run` puts into the environment. */
function withoutRunner(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith("npm_") && name !== "NODE_TEST_CONTEXT");
  const path = (env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.endsWith("node_modules/.bin"));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter) };
}
