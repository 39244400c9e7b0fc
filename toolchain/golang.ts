import { readFileSync } from "node:fs";
import { join } from "node:path";
import { capture, run, type RunOptions } from "./process";
import type { Progress } from "./report";

/** One program to build from a Go module of this project. */
export interface GoProgram {
  /** Import path, or a path such as `./policycheck` inside the module. */
  package: string;
  /** File to write. */
  output: string;
  /** What goes to the linker beside `-s -w`. */
  link?: string;
  tags?: string;
}

/** What every build is made with: it belongs into the hash that names a cached one. */
export const GO_FLAGS = ["-v", "-trimpath", "-buildvcs=false"] as const;

/** Files of a module that decide what it builds to, its own packages aside. */
export function moduleFiles(module: string): string[] {
  return ["go.mod", "go.sum", "tools.go"].map((name) => join(module, name));
}

/** The version at which a module requires another one. */
export function requiredVersion(module: string, dependency: string): string {
  const lines = readFileSync(join(module, "go.mod"), "utf8").split("\n");
  const words = lines.map((line) =>
    line
      .replace(/^require/, "")
      .trim()
      .split(/\s+/),
  );
  const version = words.find(([name]) => name === dependency)?.[1];
  if (version === undefined) throw new Error(`${module}/go.mod requires no ${dependency}`);
  return version;
}

/** @throws if Go is missing or older than the module says; `alternative` is the other remedy, if there is one */
export async function requireGo(module: string, alternative?: string): Promise<void> {
  const needed = /^go ([\d.]+)$/m.exec(readFileSync(join(module, "go.mod"), "utf8"))?.[1] ?? "";
  const remedy = `install Go ${needed} or newer${alternative === undefined ? "" : `, or ${alternative}`}`;
  const found = await capture("go", ["env", "GOVERSION"]).catch(() => undefined);
  if (found === undefined) throw new Error(`go is not on PATH: ${remedy}`);
  const version = found.stdout.trim().replace(/^go/, "");
  if (isOlder(version, needed)) throw new Error(`go is version ${version}: ${remedy}`);
}

function isOlder(version: string, needed: string): boolean {
  const have = version.split(".").map(Number);
  for (const [index, part] of needed.split(".").map(Number).entries()) {
    const own = have[index] ?? 0;
    if (own !== part) return own < part;
  }
  return false;
}

/** Builds a program, slowly on purpose: whatever else runs on this machine comes first. */
export async function buildGo(module: string, program: GoProgram, progress: Progress): Promise<void> {
  const options: RunOptions = { cwd: module, env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" } };
  const tags = program.tags === undefined ? [] : ["-tags", program.tags];
  const go = ["-n", "19", "go"];
  let downloads = 0;
  progress("modules");
  const list = ["list", ...tags, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", program.package];
  const listed = await run("nice", [...go, ...list], {
    ...options,
    onLine: (line) => {
      if (line.startsWith("go: downloading")) progress(`modules: ${String(++downloads)} downloaded`);
    },
  });
  const missing = new Set(listed.stdout.trim().split("\n"));
  const total = missing.size;
  const link = ["-s -w", program.link ?? ""].join(" ").trim();
  await run("nice", [...go, "build", ...GO_FLAGS, ...tags, "-ldflags", link, "-o", program.output, program.package], {
    ...options,
    onLine: (line) => {
      missing.delete(line);
      progress(`packages: ${String(total - missing.size)} of ${String(total)} compiled`);
    },
  });
}
