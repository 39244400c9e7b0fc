import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { layers } from "../../../components/layers";
import { all } from "../../../toolchain/commands/test";
import { changedFiles } from "../../../toolchain/testing/changed";
import { type Choice, choose } from "../../../toolchain/testing/choose";
import { concernedBy } from "../../../toolchain/testing/importers";
import { deadlinesOf, isUnit, needOf } from "../../../toolchain/testing/kinds";
import { UsageError, isEverything, kinds, parseOptions } from "../../../toolchain/testing/options";
import { projectFiles } from "../../../toolchain/tools";
import { layersTouchedBy, ofKind, ofLayer } from "../../selection";

const root = join(__dirname, "../../..");
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "monoclaw-choosing-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, text = ""): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

void describe("the command line of npm test", () => {
  void it("takes words and options in any order", () => {
    const options = parseOptions([
      "sudo",
      "--layer",
      "ssh",
      "--kind=host",
      "--lanes",
      "3",
      "--changed",
      "--list",
      "a b",
    ]);
    assert.deepEqual(options, {
      words: ["sudo", "a b"],
      layer: "ssh",
      kind: "host",
      changed: true,
      lanes: 3,
      list: true,
    });
    assert.equal(isEverything(options), false);
    assert.equal(isEverything(parseOptions(["--list", "--lanes", "1"])), true);
  });

  for (const [args, message] of [
    [["--layr", "ssh"], /there is no option --layr\n.*--layer NAME/],
    [["--layer"], /--layer needs a value/],
    [["--kind", "e2e"], /there is no kind e2e: unit, host, tailnet, faults, attacks, upgrade, judges/],
    [["--lanes", "0"], /--lanes 0: a number from 1/],
  ] as const) {
    void it(`refuses ${args.join(" ")}`, () => {
      assert.throws(
        () => parseOptions(args),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }

  void it("a mistake in it is exit code 2", async () => {
    assert.equal(await all(["--kind", "e2e"]), 2);
    assert.equal(await all(["--layer", "sssh", "--list"]), 2);
  });
});

void describe("the choice", () => {
  const choice: Choice = {
    files: ["test/unit/a.test.ts", "test/e2e/b.test.ts", "test/e2e/c.test.ts"],
    ofLayer: (layer) => {
      if (layer !== "ssh") throw new Error(`there is no layer ${layer}: ssh`);
      return [{ file: "test/e2e/b.test.ts", names: "SSH" }, { file: "test/e2e/c.test.ts" }];
    },
    ofKind: () => [{ file: "test/e2e/b.test.ts" }],
    layersTouchedBy: (paths) => ({
      layers: paths.includes("ssh.sh") ? ["ssh"] : [],
      everything: paths.includes("lib"),
    }),
    changed: () => Promise.resolve(["ssh.sh"]),
  };
  const chosen = (args: string[], changes: Partial<Choice> = {}) =>
    choose(parseOptions(args), { ...choice, ...changes });

  void it("is everything without a word", async () => {
    assert.deepEqual(
      await chosen([]),
      choice.files.map((file) => ({ file })),
    );
  });

  void it("is by path, or else by name", async () => {
    assert.deepEqual(await chosen(["e2e/c"]), [{ file: "test/e2e/c.test.ts" }]);
    assert.deepEqual(await chosen(["b.test", "unit"]), [
      { file: "test/unit/a.test.ts" },
      { file: "test/e2e/b.test.ts" },
    ]);
    assert.deepEqual(
      await chosen(["no lock-out"]),
      choice.files.map((file) => ({ file, names: "(?:no lock-out)" })),
    );
    await assert.rejects(chosen(["unit", "untit"]), /has untit in its path/);
  });

  void it("is by layer, with the names of its tests; each option leaves fewer", async () => {
    assert.deepEqual(await chosen(["--layer", "ssh"]), [
      { file: "test/e2e/b.test.ts", names: "SSH" },
      { file: "test/e2e/c.test.ts" },
    ]);
    assert.deepEqual(await chosen(["--layer", "ssh", "--kind", "host"]), [
      { file: "test/e2e/b.test.ts", names: "SSH" },
    ]);
    const [both] = await chosen(["--layer", "ssh", "--kind", "host", "login"]);
    const names = new RegExp(both?.names ?? "");
    assert.deepEqual(
      ["SSH login", "login by SSH", "SSH", "login"].map((name) => names.test(name)),
      [true, true, false, false],
    );
    await assert.rejects(
      chosen(["--layer", "sssh"]),
      (error) => error instanceof UsageError && /ssh$/.test(error.message),
    );
  });

  void it("is by what changed: the changed tests, unit tests, and those of the layers", async () => {
    assert.deepEqual(await chosen(["--changed"]), [
      { file: "test/unit/a.test.ts" },
      { file: "test/e2e/b.test.ts", names: "SSH" },
      { file: "test/e2e/c.test.ts" },
    ]);
    const files = async (...paths: string[]) =>
      (await chosen(["--changed"], { changed: () => Promise.resolve(paths) })).map(({ file }) => file);
    assert.deepEqual(await files("test/e2e/c.test.ts"), ["test/unit/a.test.ts", "test/e2e/c.test.ts"]);
    assert.deepEqual(await files("lib"), choice.files);
    assert.deepEqual(await files(), []);
  });
});

void describe("the table of tests", () => {
  void it("knows every layer of a host, and only files that exist", async () => {
    const files = new Set(await projectFiles());
    assert.ok(layers.length >= 16);
    for (const { name } of layers) {
      const missing = ofLayer(name).filter(({ file }) => !files.has(file));
      assert.deepEqual(missing, [], name);
    }
    assert.throws(() => ofLayer("sssh"), /there is no layer sssh: receiver, users, /);
  });

  void it("has each test file under one kind", async () => {
    const files = (await projectFiles()).filter((path) => path.endsWith(".test.ts"));
    const listed = kinds.flatMap((kind) => ofKind(kind).map(({ file }) => file));
    assert.deepEqual([...listed].sort(), files.sort());
    assert.throws(() => ofKind("e2e"), /there is no kind e2e: unit, /);
  });

  void it("knows what a change concerns", () => {
    assert.deepEqual(layersTouchedBy(["templates/layers/ssh/apply.sh", "docs/lab.md"]), {
      layers: ["ssh"],
      everything: false,
    });
    assert.deepEqual(layersTouchedBy(["test/attacks/sudo.test.ts"]), { layers: [], everything: false });
    assert.equal(layersTouchedBy(["lib/render.ts"]).everything, true);
    for (const layer of readdirSync(join(root, "templates/layers"))) {
      assert.deepEqual(layersTouchedBy([`templates/layers/${layer}/apply.sh`]), { layers: [layer], everything: false });
    }
  });
});

void describe("a test file's needs", () => {
  void it("are by its folder", () => {
    const needs = ["test/e2e/a.test.ts", "test/judges/a.test.ts", "test/lab/e2e.test.ts", "test/lab/unit/a.test.ts"];
    assert.deepEqual(needs.map(needOf), ["lane", "lane", "selftest", "nothing"]);
    assert.deepEqual(needs.map(isUnit), [false, false, false, true]);
  });

  void it("are more time, if it says so", () => {
    write("test/e2e/long.test.ts", 'test("long", { timeout: 1_200_000 }, () => undefined); wait({ timeout: 3000 });');
    write("test/e2e/usual.test.ts");
    const [long, usual] = ["long", "usual"].map((name) => deadlinesOf(folder, `test/e2e/${name}.test.ts`));
    assert.equal(usual?.test, 600_000);
    assert.equal(long?.test, 1_230_000);
    assert.ok(long.file > 1_230_000);
  });
});

void it("a change concerns the tests that import the file at any distance; of a template, all", () => {
  write("tree/lib/deep.ts");
  write("tree/lib/index.ts", 'export * from "./deep";');
  write("tree/test/one.test.ts", 'import { a } from "../lib";');
  write("tree/test/two.test.ts", 'const b = await import("../lib/other");');
  const tests = ["test/one.test.ts", "test/two.test.ts"];
  const concerned = (path: string) => concernedBy(join(folder, "tree"), path, tests);
  assert.deepEqual(concerned("lib/deep.ts"), ["test/one.test.ts"]);
  assert.deepEqual(concerned("test/two.test.ts"), ["test/two.test.ts"]);
  assert.deepEqual(concerned("lib/unused.ts"), []);
  assert.deepEqual(concerned("templates/x.sh"), tests);
});

void describe("git", () => {
  const git = (...args: string[]): void => {
    const author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
    execFileSync("git", ["-C", join(folder, "repo"), ...author, ...args], { stdio: "pipe" });
  };

  void it("tells what differs from main: committed, changed and new files", async () => {
    write("repo/old", "1");
    git("init", "-q", "-b", "main");
    git("add", ".");
    git("commit", "-q", "-m", "main");
    git("checkout", "-q", "-b", "work");
    write("repo/committed", "1");
    git("add", ".");
    git("commit", "-q", "-m", "work");
    write("repo/old", "2");
    write("repo/new file", "1");
    assert.deepEqual(await changedFiles(join(folder, "repo")), ["committed", "new file", "old"]);
  });

  void it("is not needed, but for --changed", async () => {
    for (const path of ["a.ts", "b/c.ts", "node_modules/x.js", "b/node_modules/y.js", ".state/z", "d.log"]) {
      write(`archive/${path}`);
    }
    assert.deepEqual(await projectFiles(join(folder, "archive")), ["a.ts", "b/c.ts"]);
    await assert.rejects(changedFiles(join(folder, "archive")), /no git checkout: name the tests instead/);
  });
});
