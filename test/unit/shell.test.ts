import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { hereDocument, quote, quoteAll, shellWord } from "../../lib/shell";

const awkward = [
  "",
  "plain",
  "it's",
  "$(id)",
  "`id`",
  '"',
  "a b",
  "a\tb",
  "\\",
  "!x",
  "~",
  "*",
  "-n",
  "line\nbreak",
  "é",
];

void test("a shell reads every quoted value back as it was", () => {
  for (const value of awkward) {
    for (const word of [quote(value), shellWord(value)]) {
      const read = execFileSync("bash", ["-c", `printf '%s.' ${word}`], { encoding: "utf8" });
      assert.equal(read, `${value}.`);
    }
  }
});

void test("what needs no quotes is shown without", () => {
  assert.equal(shellWord("../my-clone/lib/removeDevice.ts"), "../my-clone/lib/removeDevice.ts");
});

void test("quoteAll gives one word a value", () => {
  const count = execFileSync("bash", ["-c", `set -- ${quoteAll(awkward)}; echo $#`], { encoding: "utf8" });
  assert.equal(count.trim(), String(awkward.length));
});

void test("a NUL byte is refused, not cut off", () => {
  assert.throws(() => quote("a\0b"), RangeError);
  assert.throws(() => hereDocument("a\0b\n"), RangeError);
});

void test("a here-document expands nothing", () => {
  const text = "$HOME `id` $(id) \\\n'\"\n";
  const read = execFileSync("bash", ["-c", `cat ${hereDocument(text)}`], { encoding: "utf8" });
  assert.equal(read, text);
});

void test("text that would end its here-document early is refused", () => {
  assert.throws(() => hereDocument("a\nMONOCLAW_FILE\nrm -rf /\n"), RangeError);
  assert.throws(() => hereDocument("no line break at the end"), RangeError);
});
