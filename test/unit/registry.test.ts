import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { npmRegistry } from "../../lib/registry";

void describe("npm's registry", () => {
  const { PATH, npm_config_registry: given } = process.env;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "monoclaw-npm-"));
    process.env["PATH"] = `${folder}:/usr/bin:/bin`;
    delete process.env["npm_config_registry"];
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
    process.env["PATH"] = PATH;
    if (given === undefined) delete process.env["npm_config_registry"];
    else process.env["npm_config_registry"] = given;
  });

  function npm(script: string): void {
    writeFileSync(join(folder, "npm"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "npm"), 0o755);
  }

  void it("is what npm answers, with a slash at its end", async () => {
    npm(`[ "$*" = "config get registry" ] && echo https://npm.example/path`);
    assert.equal(await npmRegistry(), "https://npm.example/path/");
  });

  void it("is npm's own variable if that is set: npm need not be asked", async () => {
    npm("exit 1");
    process.env["npm_config_registry"] = "https://npm.example/";
    assert.equal(await npmRegistry(), "https://npm.example/");
  });

  void it("that can't be had names the setting to use instead", async () => {
    npm("exit 1");
    await assert.rejects(npmRegistry(), /\(.*\); set openclaw\.registry, or .*: npm_config_registry=URL pulumi up$/);
    npm("echo undefined");
    await assert.rejects(npmRegistry(), /^Error: npm's registry "undefined" is not a URL; set openclaw\.registry, or /);
  });
});
