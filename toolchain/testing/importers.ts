import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/**
 * Test files that a change of a file may concern: those that import it, at whatever distance. What no test imports, such as a template, is
 * read by tests in ways that only they know: then it is all of them.
 *
 * @param folder where all paths begin
 */
export function concernedBy(folder: string, changed: string, tests: readonly string[]): readonly string[] {
  const importers = tests.filter((test) => reaches(folder, test, changed, new Set()));
  return importers.length > 0 || changed.endsWith(".ts") ? importers : tests;
}

function reaches(folder: string, from: string, to: string, seen: Set<string>): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return importsOf(folder, from).some((path) => reaches(folder, path, to, seen));
}

function importsOf(folder: string, path: string): string[] {
  const text = existsSync(join(folder, path)) ? readFileSync(join(folder, path), "utf8") : "";
  return [...text.matchAll(/(?:\bfrom |\bimport\()"(\.[^"]+)"/g)].flatMap(([, name = ""]) => {
    const target = normalize(join(dirname(path), name));
    return [`${target}.ts`, `${target}/index.ts`].filter((file) => existsSync(join(folder, file)));
  });
}
