import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { keepNoLogs } from "../../../toolchain/engine";
import { findOfficial, isFitting } from "../../../toolchain/engine/official";
import { capture, run } from "../../../toolchain/process";
import { StepError, step } from "../../../toolchain/report";
import { runChecks } from "../../../toolchain/tools";

const root = join(__dirname, "../../..");
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "monoclaw-tools-"));
});

after(() => {
  rmSync(folder, { recursive: true });
});

/** A program that prints something. */
function script(path: string, text: string): void {
  writeFileSync(join(folder, path), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, path), 0o755);
}

void describe("official engine", () => {
  for (const [version, fits] of [
    ["3.219.9", false],
    ["3.220.0", true],
    ["3.255.1-alpha.1", true],
    ["4.300.0", false],
    ["", false],
  ] as const) {
    void it(`version ${version || "(none)"} ${fits ? "fits" : "does not fit"}`, () => {
      assert.equal(isFitting(version), fits);
    });
  }

  void it("is taken from PATH if its version fits and its language host is beside it", async () => {
    const path = process.env["PATH"];
    mkdirSync(join(folder, "official"));
    try {
      process.env["PATH"] = `${join(folder, "official")}:/usr/bin:/bin`;
      script("official/pulumi", "echo v3.230.0");
      assert.equal(await findOfficial(), undefined);
      script("official/pulumi-language-nodejs", "true");
      assert.deepEqual(await findOfficial(), { bin: join(folder, "official"), version: "3.230.0" });
      script("official/pulumi", "echo v3.100.0");
      assert.equal(await findOfficial(), undefined);
    } finally {
      process.env["PATH"] = path;
    }
  });
});

void it("an engine built here finds no folder for its logs, and earlier ones are gone", async () => {
  const home = join(folder, "home");
  for (const earlier of [false, true, false]) {
    if (earlier) {
      rmSync(join(home, "logs"));
      mkdirSync(join(home, "logs"));
      writeFileSync(join(home, "logs/one.log"), "");
    }
    await keepNoLogs(home);
    assert.ok(statSync(join(home, "logs")).isFile());
  }
});

void describe("the folders of a checkout's state", () => {
  /** Runs a line in a checkout of its own that has an official engine, with the usual umask; gives back the modes of what is there then. */
  const modesAfter = async (
    line: string,
    paths: readonly string[],
    earlier: readonly string[] = [],
  ): Promise<string[]> => {
    const own = mkdtempSync(join(folder, "checkout-"));
    cpSync(join(root, "toolchain"), join(own, "toolchain"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(own, "node_modules"));
    mkdirSync(join(own, "bin"));
    for (const [name, text] of [
      ["pulumi", "echo v3.230.0"],
      ["pulumi-language-nodejs", "true"],
    ] as const) {
      script(`${basename(own)}/bin/${name}`, text);
    }
    for (const path of earlier) {
      mkdirSync(join(own, path));
      chmodSync(join(own, path), 0o755);
    }
    writeFileSync(join(own, "line.ts"), line);
    const env = { ...process.env, PATH: `${join(own, "bin")}:${process.env["PATH"] ?? ""}` };
    await run("sh", ["-c", 'umask 022; exec "$0" --import tsx line.ts', process.execPath], { cwd: own, env });
    return paths.map((path) => (statSync(join(own, path)).mode & 0o777).toString(8));
  };
  const secrets = `import { ensureOperatorKey, ensurePassphrase } from "./toolchain/secrets";
    void ensurePassphrase().then(ensureOperatorKey);`;
  const engine = `import { ensureEngine } from "./toolchain/engine"; void ensureEngine();`;

  void it("are the owner's alone, and what lies there too", async () => {
    const paths = [".state", ".state/passphrase", ".state/operator_ed25519"];
    assert.deepEqual(await modesAfter(secrets, paths), ["700", "600", "600"]);
    assert.deepEqual(await modesAfter(engine, [".state", ".state/pulumi"]), ["700", "700"]);
  });

  void it("are closed where an earlier release left them open", async () => {
    assert.deepEqual(await modesAfter(secrets, [".state"], [".state"]), ["700"]);
    const both = [".state", ".state/pulumi"];
    assert.deepEqual(await modesAfter(engine, both, both), ["700", "700"]);
  });
});

void describe("running programs", () => {
  void it("shows the command, its exit code and the end of its output", async () => {
    script("failing", "echo first; echo broken >&2; exit 4");
    await assert.rejects(run(join(folder, "failing"), ["--now"]), /failing --now: exit code 4\nbroken\nfirst/);
  });

  void it("says which program is missing", async () => {
    await assert.rejects(capture("no-such-program", []), /no-such-program: not found on PATH/);
  });

  void it("hands over whole lines", async () => {
    const lines: string[] = [];
    script("lines", "printf 'a\\nb'; sleep 0.1; printf 'c\\nd\\n'");
    await run(join(folder, "lines"), [], { onLine: (line) => lines.push(line) });
    assert.deepEqual(lines, ["a", "bc", "d"]);
  });
});

void describe("steps", () => {
  void it("name themselves when they fail", async () => {
    const failing = step("sky: paint it", () => Promise.reject(new Error("no brush")));
    await assert.rejects(
      failing,
      (error) => error instanceof StepError && /^sky: paint it: failed after .*: no brush$/.test(error.message),
    );
  });

  void it("give back what their work gives", async () => {
    assert.equal(await step("sums", () => Promise.resolve(4)), 4);
  });
});

void it("checks all run, and one complaint is enough to fail", async () => {
  const ran: string[] = [];
  const check = (name: string, complaint: string) => ({
    name,
    run: () => {
      ran.push(name);
      return Promise.resolve(complaint);
    },
  });
  assert.equal(await runChecks([check("a", ""), check("b", "")]), 0);
  assert.equal(await runChecks([check("c", "wrong\n"), check("d", "")]), 1);
  assert.deepEqual(ran, ["a", "b", "c", "d"]);
});

void describe("toolchain/run", () => {
  const call = (args: string[], env: NodeJS.ProcessEnv = process.env) =>
    capture(join(root, "toolchain/run"), args, { env });

  void it("lists its commands, and refuses others", async () => {
    const help = await call(["help"]);
    assert.equal(help.exitCode, 0);
    for (const name of ["up", "down", "env", "pulumi", "lab", "test", "test:unit", "test:watch", "lint", "bench"]) {
      assert.match(help.stdout, new RegExp(`^  ${name} `, "m"));
    }
    const wrong = await call(["upp"]);
    assert.equal(wrong.exitCode, 2);
    assert.match(wrong.stderr, /no command upp/);
  });

  void it("says which node it needs", async () => {
    mkdirSync(join(folder, "old"));
    script("old/node", "echo v18.20.0");
    const tools = ["bash", "dirname", "sha256sum", "cat", "env"];
    for (const tool of tools) {
      const real = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
      script(`old/${tool}`, `exec ${real} "$@"`);
    }
    const old = await call(["help"], { PATH: join(folder, "old") });
    assert.equal(old.exitCode, 1);
    assert.match(old.stderr, /node is v18\.20\.0: install Node\.js 20 or newer/);
  });
});
