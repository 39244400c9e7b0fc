import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { answerNamespace, readAnswer } from "../../lib/answer";
import { sshKeyPair, sshsig } from "../../lib/keys";

const folder = mkdtempSync(join(tmpdir(), "monoclaw-answer-"));
after(() => {
  rmSync(folder, { recursive: true });
});

const seed = "5a".repeat(32);
const pair = sshKeyPair(seed, "host");
const request = "ab".repeat(32);
const text = "ssh: é done\n";
const body = `monoclaw-answer 1\nrequest ${request}\noutcome done\nlength ${String(Buffer.byteLength(text))}\n\n${text}`;
const sign = (bytes: string) => sshsig(seed, answerNamespace, Buffer.from(bytes));

void test("an answer that ssh-keygen signed is read, with and without its last line break", () => {
  const key = join(folder, "key");
  writeFileSync(key, pair.privateKey, { mode: 0o600 });
  const args = ["-q", "-Y", "sign", "-n", answerNamespace, "-f", key];
  const signature = execFileSync("ssh-keygen", args, { input: body, encoding: "utf8" });
  assert.equal(readAnswer(body + signature, pair.publicKey, request), text);
  assert.equal(readAnswer((body + signature).trimEnd(), pair.publicKey, request), text);
});

void test("whatever isn't the host's own answer to this request is none", () => {
  const good = body + sign(body);
  assert.equal(readAnswer(good, pair.publicKey, request), text);
  const bad: Record<string, string> = {
    empty: "",
    "the first format's": "ssh: done",
    unsigned: body,
    cut: good.slice(0, -40),
    "changed text": good.replace("done\n-", "Done\n-"),
    "another request": good.replace(request, "cd".repeat(32)),
    "another length": good.replace("length 13", "length 12"),
    "a line before": `x\n${good}`,
    "a line behind": `${good}x`,
    "a second signature": good + sign(body),
    "another purpose": body + sshsig(seed, "monoclaw-layer", Buffer.from(body)),
    "another key": body + sshsig("5b".repeat(32), answerNamespace, Buffer.from(body)),
  };
  for (const [what, answer] of Object.entries(bad)) {
    assert.equal(readAnswer(answer, pair.publicKey, request), undefined, what);
  }
  const failed = body.replace("outcome done", "outcome failed");
  assert.equal(readAnswer(failed + sign(failed), pair.publicKey, request), undefined);
  assert.equal(readAnswer(good, sshKeyPair("5b".repeat(32), "x").publicKey, request), undefined);
});

void test("a host key of another type is refused", () => {
  assert.throws(() => readAnswer(body + sign(body), "ssh-rsa AAAA", request), RangeError);
});
