import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { buildSync } from "esbuild";
import { pack, unpack } from "../../../toolchain/start/archive";

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "monoclaw-modules-"));
  for (const [entry, output] of [
    ["start/moduleCache.ts", "module-cache.js"],
    ["language/lazy.ts", "lazy.js"],
  ] as const) {
    const entryPoints = [join(__dirname, "../../../toolchain", entry)];
    buildSync({ entryPoints, outfile: join(folder, output), bundle: true, platform: "node" });
  }
});

after(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

void describe("archive", () => {
  void it("gives back what was put in, whatever its length", () => {
    const modules = new Map(
      ["", "a", "größer", "x".repeat(1001)].map((code, index) => [
        `/m${String(index)}.js`,
        { stamp: index === 0 ? undefined : `s${String(index)}`, code, data: Buffer.alloc(index * 3, index) },
      ]),
    );
    const read = unpack(pack(modules));
    assert.deepEqual([...read.keys()], [...modules.keys()]);
    for (const [name, entry] of modules) {
      const { stamp, code, data } = read.get(name) ?? assert.fail(name);
      assert.deepEqual({ stamp, code, data: Buffer.from(data) }, entry);
    }
  });
});

void describe("compiled modules", () => {
  const loud = `try { throw new Error("x"); } catch (error) { module.exports = error.stack.split("\\n")[1]; }\n`;

  beforeEach(() => {
    rmSync(join(folder, "kept"), { recursive: true, force: true });
    write(
      "node_modules/inner/index.js",
      `exports.name = __filename; exports.main = require.main.id + (require.main.filename.match(/\\w+\\.js$/)[0]);\n`,
    );
    write("node_modules/loud/index.js", loud);
    write(
      "main.js",
      `const { name, main } = require("inner"); console.log(name, main, require("loud"), typeof this);\n`,
    );
    write("start.js", `require("./module-cache.js").cacheModules(__dirname + "/kept/x"); require("./main.js");\n`);
  });

  const run = (): string => execFileSync(process.execPath, [join(folder, "start.js")], { encoding: "utf8" });
  const kept = (): string => join(folder, "kept", readdirSync(join(folder, "kept"))[0] ?? "");

  void it("do what they do without it, and have the same lines and columns in stack traces", () => {
    const plain = execFileSync(process.execPath, [join(folder, "main.js")], { encoding: "utf8" });
    assert.match(plain, /index\.js \.main\.js .*loud\/index\.js:1:\d+\)? object/);
    // What starts a run with the cache is its main module, so that only this one answer differs.
    const expected = plain.replace(" .main.js ", " .start.js ");
    assert.equal(run(), expected, "the first run");
    assert.equal(run(), expected, "the next one");
  });

  void it("are written once, and again when a file has changed", () => {
    run();
    const first = readFileSync(kept());
    assert.deepEqual([...unpack(first).keys()].map((file) => file.slice(folder.length + 1)).sort(), [
      "main.js",
      "node_modules/inner/index.js",
      "node_modules/loud/index.js",
    ]);
    run();
    assert.deepEqual(readFileSync(kept()), first);
    write("node_modules/loud/index.js", `module.exports = "quiet";\n`);
    assert.match(run(), /quiet/);
    assert.match(unpack(readFileSync(kept())).get(join(folder, "node_modules/loud/index.js"))?.code ?? "", /quiet/);
  });

  void it("are not written by a run that fails, and a broken archive is only slow", () => {
    write("main.js", `process.exitCode = 1;\n`);
    assert.throws(run);
    assert.throws(kept);
    write("main.js", `console.log("well");\n`);
    run();
    writeFileSync(kept(), "broken");
    assert.equal(run(), "well\n");
    assert.equal(unpack(readFileSync(kept())).size, 1);
  });

  void it("that are not right say so as ever", () => {
    write("main.js", `const = 1;\n`);
    const { stderr } = spawnSync(process.execPath, [join(folder, "start.js")], { encoding: "utf8" });
    assert.match(stderr, /main\.js:1\n.*const = 1;/);
    assert.match(stderr, /SyntaxError: Unexpected token '='/);
  });
});

void describe("lazy modules of Pulumi's SDK", () => {
  const sdk = "node_modules/@pulumi/pulumi";

  before(() => {
    const loading = (name: string, rest: string): void => {
      write(`node_modules/${name}/index.js`, `console.log("load ${name}"); ${rest}\n`);
    };
    loading("semver", `exports.valid = () => "yes";`);
    loading("fdir", `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = "the default";`);
    loading("normalize-package-data", `module.exports = () => "a function";`);
    loading("minimist", "");
    write(
      `${sdk}/runtime/debuggable.js`,
      `exports.debugPromiseLeaks = !!process.env.LEAKS; exports.debuggablePromise = (text) => text + new Error().stack;\n`,
    );
  });

  const run = (script: string, env: NodeJS.ProcessEnv = {}): string => {
    write(`${sdk}/index.js`, `${script}\n`);
    const args = ["--require", join(folder, "lazy.js"), join(folder, sdk, "index.js")];
    return execFileSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, ...env } });
  };

  void it("are loaded when they are used, and others at once", () => {
    const script = `const semver = require("semver"); require("minimist"); console.log("start"); console.log(semver.valid());`;
    assert.equal(run(script), "load minimist\nstart\nload semver\nyes\n");
  });

  void it("have the default that a compiled import finds", () => {
    const script =
      `const of = (module) => module && module.__esModule ? module : { default: module };` +
      `console.log(of(require("fdir")).default, of(require("normalize-package-data")).default());`;
    assert.match(run(script), /the default a function/);
  });

  void it("fail at once if they are missing", () => {
    assert.throws(() => run(`try { require("typescript"); } catch (error) { process.exit(error.code.length); }`), {
      status: "MODULE_NOT_FOUND".length,
    });
  });

  void it("take stack traces of promises only for who looks for leaks", () => {
    const script = `console.log(require("./runtime/debuggable").debuggablePromise("p"), new Error().stack.includes("index.js"));`;
    assert.equal(run(script), "pError true\n");
    assert.match(run(script, { LEAKS: "1" }), /pError\n +at /);
  });
});
