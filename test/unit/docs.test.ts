import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(__dirname, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The first cells of a page's tables, without their back quotes. */
function firstCells(page: string): string[] {
  return [...read(page).matchAll(/^\| `?([^|`]+?)`? +\|/gm)].map((match) => match[1] ?? "");
}

void test("signed-layers.md lists every exit code of the receiver, and no other", () => {
  const header = read("templates/runtime/files/usr/local/vps-scripts/receiver.sh").split("set -euo")[0] ?? "";
  const codes = [...header.matchAll(/\b(8\d|9\d) [a-z]/g)].map((match) => match[1] ?? "");
  assert.ok(codes.length > 10);
  assert.deepEqual(
    firstCells("docs/signed-layers.md").filter((cell) => /^\d+$/.test(cell)),
    codes,
  );
});

/** The names of the test files in a folder, without their ends. */
const testsIn = (folder: string) =>
  readdirSync(join(root, folder)).flatMap((name) => /^(.*)\.test\.ts$/.exec(name)?.[1] ?? []);
const sourceOf = (folder: string) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(join(folder, name)))
    .join("\n");

void test("faults.md names tests that exist, and attacks by the name that stands in their code", () => {
  const code = sourceOf("test/e2e");
  const attacks = new Set(
    [...sourceOf("test/attacks").matchAll(/\battack\(\s*"([^"]+)",/g)].map(([, name = ""]) => name),
  );
  const titles = [...read("docs/faults.md").matchAll(/^\|[^|]+\|[^|]+\| +(.+?) +\|$/gm)].map((match) => match[1] ?? "");
  const named = titles.filter((title) => title !== "test" && !title.startsWith("--"));
  assert.ok(named.length >= 60, `${String(named.length)} tests`);
  for (const title of named) {
    assert.ok(attacks.has(title) || code.includes(`"${title}"`), `no test or attack is called: ${title}`);
  }
  assert.ok(named.filter((title) => attacks.has(title)).length >= 15);
});

void test("signed-layers.md cites tests that exist", () => {
  const [, model = ""] = /^## Threat model\n([^]*?)^## /m.exec(read("docs/signed-layers.md")) ?? [];
  const files = new Set([...testsIn("test/e2e"), ...testsIn("test/attacks")]);
  const cited = [...model.matchAll(/\(((?:`\w+`(?:, )?)+)\)/g)].flatMap(([, names = ""]) => names.match(/\w+/g) ?? []);
  assert.ok(cited.length >= 20, `${String(cited.length)} tests`);
  assert.deepEqual(
    cited.filter((name) => !files.has(name)),
    [],
  );
});

void test("every page that README and docs link to exists", () => {
  const pages = [
    "README.md",
    ...[...read("README.md").matchAll(/\]\((docs\/[a-z-]+\.md)/g)].map((match) => match[1] ?? ""),
  ];
  assert.ok(pages.length > 8);
  for (const page of pages) {
    for (const [, target = ""] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, page, "..", target)), `${page} links to ${target}`);
    }
  }
});
