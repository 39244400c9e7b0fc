import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { values } from "../spec/requirements";
import { anotherUid, byHand, down, drifted, noStack, tailnet, tailnetDown, unreadable } from "../e2e/auditMutations";

const root = join(__dirname, "../..");

const page = readFileSync(join(root, "docs/requirements.md"), "utf8");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (promise|-)/.test(line))
  .map((line) => line.replaceAll("`", "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1"))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, promise = "", value = "", source = "", layer = "", row = "", file = ""]) => {
    return { promise, value, source, layer, row, file };
  });

/** Every row of `monoclaw-security`: the end-to-end test fails if one isn't here. */
const checked = new Set(
  [...drifted, ...down, ...unreadable, ...byHand, ...tailnet, ...tailnetDown, anotherUid, noStack].flatMap(
    (each) => each.rows,
  ),
);

void test("requirements.md has every promise, in order", () => {
  assert.deepEqual(
    rows.map(({ value }) => value),
    values,
  );
});

void test("what names a section of the requirements names one that there is", () => {
  const sections = page.split("\n").flatMap((line) => (line.startsWith("## ") ? [line.slice(3)] : []));
  const named = ["components", "lib", "templates"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .map((name) => join(root, folder, name))
      .filter((file) => statSync(file).isFile())
      .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/(?<!the )requirements: (?!none)([^)\n]+)/g)])
      .flatMap(([, names = ""]) => names.split(/[;,] /)),
  );
  assert.ok(named.length > 30, `only ${String(named.length)} were found`);
  const exists = (name: string) => name === "SSH" || sections.includes(name);
  assert.deepEqual(
    named.filter((name) => !exists(name)),
    [],
  );
});

void test("requirements.md says of each promise where it is explained, its layer, its row of monoclaw-security and its test, which exist", () => {
  for (const { promise, source, layer, row, file } of rows) {
    assert.match(source, /\(\d\)|^OpenClaw|^Tailscale|^tailscale|^management$/, promise);
    assert.ok(checked.has(row), `${promise}: monoclaw-security has no row ${row}`);
    assert.ok(existsSync(join(root, `templates/layers/${layer}/apply.sh`)), `${promise}: no layer ${layer}`);
    assert.ok(existsSync(join(root, "test", file)), `${promise}: no test ${file}`);
  }
});
