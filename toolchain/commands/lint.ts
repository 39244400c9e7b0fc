import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fingerprint, unlessPassed } from "../cache";
import { ensurePackages } from "../debian";
import { cacheFolder, root } from "../paths";
import { capture } from "../process";
import { program, projectFiles, runChecks } from "../tools";

/** What comes from Debian; the rest is in package-lock.json. */
const TOOLS = ["shellcheck", "shfmt"];
const BIN = join(root, "node_modules/.bin");

/** A shell script that a template renders to, for lint to check. */
interface Rendered {
  /** Path of the template. */
  path: string;
  content: string;
}

/** `lint`: formatting, rules, types and shell scripts; prints only what is wrong. */
export async function lint(): Promise<number> {
  await ensurePackages(TOOLS);
  const scripts = await shellFiles();
  return runChecks([
    program("prettier", join(BIN, "prettier"), ["--check", "--log-level", "warn", "."]),
    program("eslint", join(BIN, "eslint"), ["--max-warnings", "0", "."]),
    program("tsc", join(BIN, "tsc"), ["--noEmit"]),
    program("shellcheck", "shellcheck", ["-x", ...scripts]),
    program("shfmt", "shfmt", ["-i", "2", "-ci", "-d", ...scripts]),
    { name: "shell templates", run: checkTemplates },
  ]);
}

/** {@link lint}, unless all of it has passed on this machine with the very same files, tools and Node.js: for whoever runs the tests again. */
export async function lintOnce(): Promise<number> {
  await ensurePackages(TOOLS);
  const hash = async (): Promise<string> => {
    const versions = await Promise.all(TOOLS.map(async (tool) => (await capture(tool, ["--version"])).stdout));
    const files = (await projectFiles()).map((path) => join(root, path)).filter((path) => existsSync(path));
    return fingerprint(files, [process.version, ...versions]);
  };
  const code = await unlessPassed(join(cacheFolder, "lint-passed"), hash, lint);
  if (code === undefined) process.stderr.write("lint: passed the last time, and nothing has changed since\n");
  return code ?? 0;
}

/** Shell scripts by name or first line. Those below templates/ are no shell until they are rendered. */
async function shellFiles(): Promise<string[]> {
  const files = await projectFiles();
  return files.filter((path) => {
    if (path.startsWith("templates/") || !existsSync(join(root, path))) return false;
    return path.endsWith(".sh") || (!basename(path).includes(".") && /^#!.*\b(ba)?sh\b/.test(firstLine(path)));
  });
}

function firstLine(path: string): string {
  return readFileSync(join(root, path), "utf8").split("\n", 1)[0] ?? "";
}

/** Checks the scripts that `shellTemplates` of test/templates/shell.ts renders, if there is one. */
async function checkTemplates(): Promise<string> {
  const file = join(root, "test/templates/shell.ts");
  if (!existsSync(file)) return "";
  const { shellTemplates } = (await import(file)) as { shellTemplates: () => Rendered[] | Promise<Rendered[]> };
  const folder = mkdtempSync(join(tmpdir(), "monoclaw-lint-"));
  try {
    const complaints: string[] = [];
    for (const { path, content } of await shellTemplates()) {
      const copy = join(folder, path.replaceAll("/", "_"));
      writeFileSync(copy, content);
      for (const [tool, args] of [
        ["shellcheck", ["-x"]],
        ["shfmt", ["-i", "2", "-ci", "-d"]],
      ] as const) {
        const { exitCode, stdout, stderr } = await capture(tool, [...args, copy]);
        if (exitCode !== 0) complaints.push((stdout + stderr).replaceAll(copy, path));
      }
    }
    return complaints.join("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
