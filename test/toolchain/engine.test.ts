import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ensureEngine, environment } from "../../toolchain/engine";
import { stateFolder } from "../../toolchain/paths";
import { capture, type Result } from "../../toolchain/process";
import { Sshd, freePort } from "./support/sshd";

// The engine, the language host and the plugins that toolchain/ provides, with a real sshd: one stack from nothing to nothing.
const NAME = "smoke";

let sshd: Sshd;
let folder: string;
let env: NodeJS.ProcessEnv;

before(async () => {
  sshd = await Sshd.start();
  // Below the checkout, so that the program finds node_modules the usual way.
  mkdirSync(stateFolder, { recursive: true });
  folder = mkdtempSync(join(stateFolder, "engine-test-"));
  cpSync(join(__dirname, "fixtures/program"), folder, { recursive: true });
  mkdirSync(join(folder, "state"));
  env = {
    ...environment(await ensureEngine()),
    PULUMI_BACKEND_URL: `file://${folder}/state`,
    PULUMI_CONFIG_PASSPHRASE: "for this test",
    PULUMI_CONFIG_PASSPHRASE_FILE: "",
    SSH_AUTH_SOCK: "",
  };
  await succeed("stack", "init", NAME);
  const settings = { port: String(sshd.port), user: sshd.user, hostKey: sshd.hostKey, script: "cat; echo; echo one" };
  for (const [key, value] of Object.entries(settings)) await succeed("config", "set", key, "--", value);
  await succeed("config", "set", "--secret", "privateKey", "--", sshd.privateKey);
});

after(async () => {
  await sshd.stop();
  rmSync(folder, { recursive: true });
});

async function pulumi(...args: string[]): Promise<Result> {
  return capture("pulumi", args, { cwd: folder, env });
}

async function succeed(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await pulumi(...args);
  assert.equal(exitCode, 0, stdout + stderr);
  return stdout + stderr;
}

async function output(): Promise<string> {
  return (await succeed("stack", "output", "stdout", "--show-secrets")).trim();
}

interface Exported {
  deployment: { resources: { urn: string; id?: string; outputs?: Record<string, unknown> }[] };
}

void describe("one stack, from nothing to nothing", () => {
  void it("up makes it, passes on what the program prints, and says once that these are stand-ins", async () => {
    const shown = await succeed("up", "--yes");
    assert.match(shown, /3 created/);
    assert.match(shown, /a line of the program/);
    if (shown.includes("stand-in")) {
      const diagnostics = shown.split("Diagnostics:").slice(1);
      assert.equal(diagnostics.filter((part) => part.includes("stand-in")).length, 1);
    }
    assert.match(await output(), /^[0-9a-f]{32}\none$/);
  });

  void it("a second up changes nothing and connects to nothing", async () => {
    const logins = sshd.logins;
    assert.match(await succeed("up", "--yes"), /3 unchanged/);
    assert.equal(sshd.logins, logins);
  });

  void it("preview --diff shows a changed line in clear, and no secret", async () => {
    const secret = (await output()).split("\n")[0] ?? "";
    await succeed("config", "set", "script", "--", "cat; echo; echo two");
    const shown = await succeed("preview", "--diff");
    assert.match(shown, /create *: "cat; echo; echo one" => "cat; echo; echo two"/);
    assert.ok(!shown.includes(secret));
    assert.doesNotMatch(shown, /PRIVATE KEY/);
    await succeed("up", "--yes");
    assert.match(await output(), /\ntwo$/);
  });

  void it("up --replace makes a new value and runs the command again", async () => {
    const before = await output();
    const { deployment } = JSON.parse(await succeed("stack", "export")) as Exported;
    const urn = deployment.resources.find((resource) => resource.urn.endsWith("::value"))?.urn ?? "";
    assert.match(await succeed("up", "--yes", "--replace", urn), /1 replaced/);
    assert.notEqual(await output(), before);
  });

  void it("nothing secret is in the state, but for the id that the official plugin gives a RandomBytes", async () => {
    const [hex = ""] = (await output()).split("\n");
    const text = readFileSync(join(folder, "state/.pulumi/stacks/fixture", `${NAME}.json`), "utf8");
    assert.ok(!text.includes(hex), "the value is not in the state");
    assert.ok(!text.includes("PRIVATE KEY"), "the key is not in the state");
    const base64 = Buffer.from(hex, "hex").toString("base64");
    assert.equal(text.split(base64).length - 1, 1, "the value's base64 is there once: as the id");
  });

  void it("a failing command fails the update with its status, the command and its output", async () => {
    await succeed("config", "set", "script", "--", "echo half; echo why >&2; exit 7");
    const { exitCode, stdout, stderr } = await pulumi("up", "--yes", "--skip-preview");
    assert.notEqual(exitCode, 0);
    assert.match(
      stdout + stderr,
      /Process exited with status 7: running "echo half; echo why >&2; exit 7":\s+half\s+why/,
    );
    await succeed("config", "set", "script", "--", "cat; echo; echo two");
    await succeed("up", "--yes");
  });

  void it("a program that throws is shown with its error, and nothing is lost", async () => {
    await succeed("config", "set", "crash", "true");
    const { exitCode, stdout, stderr } = await pulumi("up", "--yes");
    assert.notEqual(exitCode, 0);
    assert.match(stdout + stderr, /the program gave up/);
    assert.match(stdout + stderr, /index\.ts/);
    await succeed("config", "rm", "crash");
    assert.match(await succeed("preview"), /3 unchanged/);
  });

  void it("a host that does not answer fails after the dial limit", async () => {
    await succeed("config", "set", "port", String(await freePort()));
    const { exitCode, stdout, stderr } = await pulumi("up", "--yes", "--skip-preview");
    assert.notEqual(exitCode, 0);
    assert.match(stdout + stderr, /after 1 failed attempts: dial tcp 127\.0\.0\.1:\d+: connect: connection refused/);
    await succeed("config", "set", "port", String(sshd.port));
  });

  void it("refresh keeps it, about tells what it runs on, destroy leaves nothing", async () => {
    assert.match(await succeed("refresh", "--yes"), /3 unchanged/);
    assert.match(await succeed("about"), /nodejs/);
    assert.match(await succeed("destroy", "--yes"), /3 deleted/);
  });
});
