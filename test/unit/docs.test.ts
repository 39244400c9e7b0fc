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

void test("faults.md names tests that exist", () => {
  const files = readdirSync(join(root, "test/e2e")).filter((name) => name.endsWith(".ts"));
  const code = files.map((name) => read(join("test/e2e", name))).join("\n");
  const titles = [...read("docs/faults.md").matchAll(/^\|[^|]+\|[^|]+\| +(.+?) +\|$/gm)].map((match) => match[1] ?? "");
  const named = titles.filter((title) => title !== "test" && !title.startsWith("--"));
  assert.ok(named.length >= 20, `${String(named.length)} tests`);
  for (const title of named) {
    assert.ok(code.includes(`"${title}"`), `no test in test/e2e is called: ${title}`);
  }
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
