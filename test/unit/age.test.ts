import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { encrypt } from "../../lib/age";
import { sshKeyPair } from "../../lib/keys";

const folder = mkdtempSync(join(tmpdir(), "monoclaw-age-"));
after(() => {
  rmSync(folder, { recursive: true });
});

const secret = "11".repeat(32);
const pair = sshKeyPair("5a".repeat(32), "host");
const key = join(folder, "key");
writeFileSync(key, pair.privateKey, { mode: 0o600 });
writeFileSync(`${key}.pub`, `${pair.publicKey}\n`);

const decrypt = (file: string, identity = key) =>
  spawnSync("age", ["--decrypt", "--identity", identity], { input: file, encoding: "utf8" });

void test("age decrypts it with the host's key: an empty text, a short one, one of several chunks, one of whole chunks", () => {
  for (const text of ["", "token=é\n", "x".repeat(200_000), "x".repeat(131_072)]) {
    const { status, stdout, stderr } = decrypt(encrypt(pair.publicKey, secret, text));
    assert.deepEqual([status, stdout === text], [0, true], stderr);
  }
});

void test("any host key will do", () => {
  for (const byte of ["00", "01", "7f", "80", "fe", "ff"]) {
    const other = sshKeyPair(byte.repeat(32), "host");
    const at = join(folder, byte);
    writeFileSync(at, other.privateKey, { mode: 0o600 });
    writeFileSync(`${at}.pub`, `${other.publicKey}\n`);
    assert.equal(decrypt(encrypt(other.publicKey, secret, "hello\n"), at).stdout, "hello\n", byte);
  }
});

void test("another key, or a changed byte, and it is refused", () => {
  const file = encrypt(pair.publicKey, secret, "hello\n");
  const other = encrypt(sshKeyPair("5b".repeat(32), "x").publicKey, secret, "hello\n");
  assert.notEqual(decrypt(other).status, 0);
  assert.notEqual(decrypt(file.replace(/.{6}\n-----END/, (end) => `AAAAA=${end.slice(6)}`)).status, 0);
});

void test("the same text gives the same file, as a preview needs it; another text, secret or host gives another altogether", () => {
  const file = encrypt(pair.publicKey, secret, "hello\n");
  assert.equal(encrypt(pair.publicKey, secret, "hello\n"), file);
  const others = [
    encrypt(pair.publicKey, secret, "hellp\n"),
    encrypt(pair.publicKey, "12".repeat(32), "hello\n"),
    encrypt(sshKeyPair("5b".repeat(32), "x").publicKey, secret, "hello\n"),
  ];
  const parts = (armored: string) => {
    const [, base64 = ""] = /-----\n([^-]+)-----/.exec(armored) ?? [];
    const bytes = Buffer.from(base64, "base64").toString("latin1");
    const [, ours, wrapped, mac, rest] = /ssh-ed25519 \S+ (\S+)\n(\S+)\n--- (\S+)\n([^]*)$/.exec(bytes) ?? [];
    return [ours, wrapped, mac, rest?.slice(0, 16), rest?.slice(16)];
  };
  for (const other of others) {
    parts(other).forEach((part, index) => {
      assert.notEqual(part, parts(file)[index]);
    });
  }
});

void test("it is age's own format: the same words in its header", () => {
  const theirs = execFileSync("age", ["-R", `${key}.pub`], { input: "hello\n" }).toString("latin1");
  const words = (header: string) =>
    header.split("\n").map((line) =>
      line
        .split(" ")
        .slice(0, 3)
        .map((word) => (word.length > 30 ? "…" : word)),
    );
  const ours = Buffer.from(
    encrypt(pair.publicKey, secret, "hello\n").split("\n").slice(1, -2).join(""),
    "base64",
  ).toString("latin1");
  assert.deepEqual(words(ours).slice(0, 2), words(theirs).slice(0, 2));
});

void test("no RSA key", () => {
  assert.throws(() => encrypt("ssh-rsa AAAAB3NzaC1yc2E", secret, "x"), RangeError);
});
