// Exits with 0 if the packages in node_modules are those of package-lock.json. Runs before there is a TypeScript loader.
import { readFileSync } from "node:fs";
import { join } from "node:path";

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

const root = process.argv[2];
const wanted = packagesOf(join(root, "package-lock.json")) ?? {};
const installed = packagesOf(join(root, "node_modules", ".package-lock.json"));
const differs =
  installed === undefined ||
  Object.keys(installed).some((path) => wanted[path] === undefined) ||
  Object.entries(wanted).some(([path, { version, optional }]) => {
    if (path === "") return false;
    return installed[path] === undefined ? optional !== true : installed[path].version !== version;
  });
process.exitCode = differs ? 1 : 0;
