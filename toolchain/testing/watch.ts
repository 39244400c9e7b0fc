import { watch as watchFiles } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensurePackages, testPackages } from "../debian";
import { cacheFolder, root, stateFolder } from "../paths";
import { projectFiles } from "../tools";
import { concernedBy } from "./importers";
import { isUnit } from "./kinds";
import { environmentOf, runTests } from "./run";

// An editor writes a file in several steps.
const SETTLE_MS = 200;
const LIMIT_MS = 10 * 60_000;

/** The project's own folders. Node.js reads a folder through before it watches it, and the others hold whole file systems. */
async function ownFolders(): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  return entries.flatMap((entry) =>
    entry.isDirectory() && ![".git", ".state", "node_modules"].includes(entry.name) ? [entry.name] : [],
  );
}

/** `test:watch`: runs the unit tests that a changed file concerns, until it is interrupted. */
export async function watch(): Promise<number> {
  await ensurePackages(testPackages);
  const changed = new Set<string>();
  for (const folder of ["", ...(await ownFolders())]) {
    watchFiles(join(root, folder), { recursive: folder !== "" }, (_event, path) => {
      if (path !== null) changed.add(join(folder, path));
    });
  }
  process.stderr.write("waiting for a file to change; Ctrl-C ends it\n");
  for (;;) {
    await sleep(SETTLE_MS);
    const paths = [...changed];
    if (paths.length === 0) continue;
    changed.clear();
    const files = await projectFiles();
    const tests = files.filter((path) => path.endsWith(".test.ts") && isUnit(path));
    const concerned = new Set(
      paths.filter((path) => files.includes(path)).flatMap((path) => concernedBy(root, path, tests)),
    );
    if (concerned.size === 0) continue;
    const code = await runTests({
      selected: [...concerned].map((file) => ({ file })),
      env: environmentOf(process.env),
      lanes: [],
      started: Date.now(),
      limit: LIMIT_MS,
      results: join(stateFolder, "test-results"),
      seconds: join(cacheFolder, "test-seconds.json"),
      print: (line) => process.stdout.write(`${line}\n`),
    });
    process.stderr.write(`exit code ${String(code)}; waiting for the next change\n`);
  }
}
