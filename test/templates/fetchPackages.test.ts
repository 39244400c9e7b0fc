import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import execa from "execa";
import { templatesDir } from "../../lib/render";

const folder = mkdtempSync(join(tmpdir(), "monoclaw-fetch-"));
const script = readFileSync(join(templatesDir, "layers/openclaw/files/usr/local/vps-scripts/fetch-packages"), "utf8");
mkdirSync(join(folder, "package"));
writeFileSync(join(folder, "package/file"), "content\n");
const archive = execFileSync("tar", ["-cz", "-C", folder, "package"]);
const bodies: Readonly<Record<string, Buffer>> = {
  "/good.tgz": archive,
  "/cut.tgz": archive.subarray(0, archive.length - 12),
  "/more.tgz": Buffer.concat([archive, Buffer.from("more")]),
  "/none.tgz": Buffer.from("no archive"),
};
const server = createServer(({ url = "" }, response) => response.end(bodies[url]));

before(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)));
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** Fetches a package into a new folder of this name, by its right hash unless another is given. */
async function fetch(name: string, text = script, pinned = bodies[`/${name}.tgz`]) {
  const { port } = server.address() as AddressInfo;
  const cwd = mkdtempSync(join(folder, "run-"));
  const integrity = `sha512-${createHash("sha512")
    .update(pinned ?? "")
    .digest("base64")}`;
  const input = `any there ${name}.tgz ${integrity}\n`;
  const args = ["-c", text, `http://127.0.0.1:${String(port)}`, "x64"];
  const { exitCode, stderr } = await execa("python3", args, { cwd, input, reject: false });
  return { exitCode, stderr, there: join(cwd, "there") };
}

void test("fetch-packages: what has its pinned hash is unpacked", async () => {
  const { exitCode, stderr, there } = await fetch("good");
  assert.equal(exitCode, 0, stderr);
  assert.equal(readFileSync(join(there, "file"), "utf8"), "content\n");
});

void test("fetch-packages: another hash, a cut or lengthened archive, none at all, and one without a bound are refused", async () => {
  const small = script.replace(/^MAX_BYTES = .*$/m, "MAX_BYTES = 100");
  assert.notEqual(small, script);
  const refused = {
    "only its hash": (await fetch("good", script, archive.subarray(1))).stderr,
    cut: (await fetch("cut")).stderr,
    lengthened: (await fetch("more")).stderr,
    "no archive": (await fetch("none")).stderr,
    large: (await fetch("good", small)).stderr,
  };
  assert.match(refused["only its hash"], /is pinned; nothing of it was unpacked/);
  assert.match(refused.cut, /^there: /);
  assert.match(refused.lengthened, /^there: its archive is cut off, or something follows it/);
  assert.match(refused["no archive"], /^there: .*incorrect header check/);
  assert.match(refused.large, /is larger than 100 bytes; nothing of it was unpacked/);
});
