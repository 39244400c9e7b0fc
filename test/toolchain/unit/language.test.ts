import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readOptions, splitWords } from "../../../toolchain/language/options";
import { dependencies, requiredPlugins } from "../../../toolchain/language/packages";

void describe("runtime options", () => {
  void it("default to what the official host defaults to", () => {
    assert.deepEqual(readOptions({}), { typescript: true, tsconfig: undefined, nodeargs: [] });
  });

  void it("are those of this project's Pulumi.yaml", () => {
    const { typescript, nodeargs } = readOptions({ typescript: false, nodeargs: "--require tsx/cjs" });
    assert.deepEqual([typescript, nodeargs], [false, ["--require", "tsx/cjs"]]);
  });

  void it("name the one that has the wrong type", () => {
    assert.throws(() => readOptions({ typescript: "no" }), /runtime\.options\.typescript must be a boolean/);
    assert.throws(() => readOptions({ nodeargs: ["x"] }), /runtime\.options\.nodeargs must be a string/);
    assert.throws(() => readOptions({ tsconfig: 1 }), /runtime\.options\.tsconfig must be a string/);
  });

  void it("are split like a shell does", () => {
    assert.deepEqual(splitWords(`  --a "b c" 'd "e"' f\\ g --h="i j" ""`), [
      "--a",
      "b c",
      'd "e"',
      "f g",
      "--h=i j",
      "",
    ]);
    assert.deepEqual(splitWords(""), []);
  });
});

void describe("packages of a program", () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "monoclaw-packages-"));
    const write = (path: string, json: unknown): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), JSON.stringify(json));
    };
    write("package.json", { dependencies: { "@pulumi/random": "*", wrapper: "*", absent: "*" } });
    const random = { name: "@pulumi/random", version: "4.0.0", pulumi: { resource: true } };
    write("node_modules/@pulumi/random/package.json", random);
    write("node_modules/wrapper/package.json", { name: "wrapper", version: "1.0.0", dependencies: { inner: "*" } });
    const inner = {
      name: "inner",
      version: "2.0.0",
      pulumi: { resource: true, name: "in", version: "v2.1.0", server: "s" },
    };
    write("node_modules/wrapper/node_modules/inner/package.json", inner);
    write("node_modules/unused/package.json", { name: "unused", version: "1.0.0", pulumi: { resource: true } });
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  void it("tell the plugins that it needs, directly or not, and no others", () => {
    assert.deepEqual(requiredPlugins(folder), [
      { name: "random", version: "v4.0.0", server: "" },
      { name: "in", version: "v2.1.0", server: "s" },
    ]);
  });

  void it("are listed with and without what they depend on themselves", () => {
    assert.deepEqual(
      dependencies(folder, false).map(({ name }) => name),
      ["@pulumi/random", "wrapper"],
    );
    assert.deepEqual(
      dependencies(folder, true).map(({ name }) => name),
      ["@pulumi/random", "wrapper", "inner"],
    );
  });
});
