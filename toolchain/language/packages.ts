import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The parts of a package.json that Pulumi reads. */
interface PackageJson {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  pulumi?: { resource?: boolean; name?: string; version?: string; server?: string };
}

/** A provider plugin that a program needs. */
export interface RequiredPlugin {
  name: string;
  /** With a leading `v`. */
  version: string;
  server: string;
}

/** An installed npm package. */
export interface InstalledPackage {
  name: string;
  version: string;
}

/** Installed packages that the project depends on, each once, in the order of discovery. */
function* installed(folder: string, transitive: boolean): Generator<{ folder: string; json: PackageJson }> {
  const queue = [{ folder, json: readPackage(folder) }];
  const seen = new Set<string>();
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const name of Object.keys(next.json?.dependencies ?? {})) {
      const found = resolve(name, next.folder);
      if (found === undefined || seen.has(found.folder)) continue;
      seen.add(found.folder);
      yield found;
      if (transitive) queue.push(found);
    }
  }
}

/** Finds a package the way node does: in node_modules here, then in each parent. */
function resolve(name: string, from: string): { folder: string; json: PackageJson } | undefined {
  const folder = join(from, "node_modules", name);
  const json = readPackage(folder);
  if (json !== undefined) return { folder, json };
  const parent = dirname(from);
  return parent === from ? undefined : resolve(name, parent);
}

function readPackage(folder: string): PackageJson | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageJson;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ENOTDIR") {
      return undefined;
    }
    throw new Error(`${join(folder, "package.json")}: ${(error as Error).message}: run npm ci`, { cause: error });
  }
}

/** The provider plugins of the packages that a program depends on, directly or not. */
export function requiredPlugins(programFolder: string): RequiredPlugin[] {
  const plugins: RequiredPlugin[] = [];
  for (const { json } of installed(programFolder, true)) {
    if (json.pulumi?.resource !== true) continue;
    const name = json.pulumi.name ?? (json.name ?? "").replace(/^@pulumi\//, "");
    const version = (json.pulumi.version ?? json.version ?? "").replace(/^v?/, "v");
    plugins.push({ name, version, server: json.pulumi.server ?? "" });
  }
  return plugins;
}

/** The npm packages that a program depends on. */
export function dependencies(programFolder: string, transitive: boolean): InstalledPackage[] {
  return [...installed(programFolder, transitive)].map(({ json }) => ({
    name: json.name ?? "",
    version: json.version ?? "",
  }));
}
