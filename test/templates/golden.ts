import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after } from "node:test";
import { committed } from "../committed";

/** Tests that root starts call the checkers as nobody: what they need must be what anybody has. */
const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** Compares a rendered file with the committed one of `golden/`. */
export function golden(name: string, content: string): void {
  committed(`test/templates/golden/${name}`, content);
}

/** A folder of this process that anybody may read; it goes when the tests are done. */
export function scratch(): string {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "monoclaw-golden-"));
  fs.chmodSync(made, 0o755);
  after(() => {
    fs.rmSync(made, { recursive: true });
  });
  return made;
}

/**
 * Runs a real checker, without root, and returns what it printed.
 *
 * @throws AssertionError with its complaint if it refuses, or with the package that brings it if it is missing
 */
export function check(program: string, args: readonly string[], debianPackage: string): string {
  const searched = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  const result = spawnSync(program, args, {
    encoding: "utf8",
    env: { PATH: searched, HOME: "/nonexistent", LC_ALL: "C.UTF-8" },
    ...nobody,
  });
  const missing = (result.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
  assert.ok(!missing, `${program} is missing: apt-get install --no-install-recommends ${debianPackage}`);
  assert.equal(result.status, 0, `${program} ${args.join(" ")}:\n${result.stdout}${result.stderr}`);
  return result.stdout + result.stderr;
}

/** A file that a layer's script installs: what stands after `put MODE OWNER:GROUP PATH`, by the path as the script says it. */
export function installed(script: string, file: string): { mode: string; owner: string; text: string } {
  for (const [, mode, owner, where, text] of script.matchAll(
    /^put (\d+) (\S+) (.+) <<'MONOCLAW_FILE'\n([^]*?)MONOCLAW_FILE$/gm,
  )) {
    if (where === file && mode !== undefined && owner !== undefined && text !== undefined) {
      return { mode, owner, text };
    }
  }
  throw new Error(`the script installs no ${file}`);
}
