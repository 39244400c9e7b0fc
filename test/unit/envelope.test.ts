import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import {
  chooseSerial,
  digest,
  hostId,
  machineOf,
  maxEnvelopeBytes,
  message,
  namespace,
  sign,
} from "../../lib/envelope";
import { sshKeyPair, sshsig } from "../../lib/keys";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "monoclaw-envelope-"));
after(() => {
  fs.rmSync(folder, { recursive: true });
});

const seed = "5a".repeat(32);
const pair = sshKeyPair(seed, "monoclaw-signing");
const machine = machineOf(sshKeyPair("6a".repeat(32), "host").publicKey);
const header = {
  hostId: hostId(pair.publicKey),
  machine,
  layer: "ssh",
  serial: 3,
  act: "apply",
  content: "plain",
} as const;

function file(name: string, content: string): string {
  const at = path.join(folder, name);
  fs.writeFileSync(at, content, { mode: 0o600 });
  return at;
}

/** Exit code of `ssh-keygen -Y verify` for this text and signature. */
function verify(text: string, signature: string, space = namespace): number | null {
  const signers = file("signers", `monoclaw namespaces="monoclaw-layer" ${pair.publicKey}\n`);
  const args = ["-Y", "verify", "-n", space, "-I", "monoclaw", "-f", signers, "-s", file("signature", signature)];
  return spawnSync("ssh-keygen", args, { input: text }).status;
}

void test("ssh-keygen reads our private key and finds the same public one", () => {
  const found = execFileSync("ssh-keygen", ["-y", "-f", file("key", pair.privateKey)], { encoding: "utf8" });
  assert.equal(found.trim(), pair.publicKey);
});

void test("our signature is ssh-keygen's, byte for byte", () => {
  const text = message(header, "echo hello\n");
  const args = ["-q", "-Y", "sign", "-n", namespace, "-f", file("key", pair.privateKey)];
  assert.equal(sign(seed, text), execFileSync("ssh-keygen", args, { input: text, encoding: "utf8" }));
});

void test("ssh-keygen accepts our signature, for this text and purpose only", () => {
  const text = message(header, "echo hello\n");
  assert.equal(verify(text, sign(seed, text)), 0);
  assert.notEqual(verify(text.replace("hello", "hellO"), sign(seed, text)), 0);
  assert.notEqual(verify(text, sign("5b".repeat(32), text)), 0);
  assert.notEqual(verify(text, sshsig(seed, "file", Buffer.from(text))), 0);
  assert.notEqual(verify(text, sign(seed, text), "file"), 0);
});

void test("an unchanged layer gives an unchanged envelope", () => {
  const make = () => message(header, "true\n") + sign(seed, message(header, "true\n"));
  assert.equal(make(), make());
});

void test("the header has the fixed form that the receiver reads, with the length in bytes", () => {
  assert.equal(
    message(header, "é\n"),
    `monoclaw-envelope 2\nhost ${header.hostId}\nmachine ${machine}\nlayer ssh\nserial 3\nact apply\ncontent plain\nlength 3\n\né\n`,
  );
  const asked = { act: "confirm", digest: "ab".repeat(32) } as const;
  assert.match(message({ ...header, ...asked }, ""), /\nact confirm (ab){32}\ncontent plain\nlength 0\n\n$/);
});

void test("the digest is what sha256sum says of the signed part", () => {
  const text = message(header, "true\n");
  assert.equal(digest(text), execFileSync("sha256sum", { input: text, encoding: "utf8" }).slice(0, 64));
});

void test("the receiver reads no more bytes than an envelope may have here", () => {
  const receiver = fs.readFileSync("templates/runtime/files/usr/local/vps-scripts/receiver.sh", "utf8");
  assert.match(receiver, new RegExp(`max_bytes=${String(maxEnvelopeBytes)}\\b`));
});

void test("bad headers and scripts are refused before anything is signed", () => {
  const bad: [object, string, RegExp][] = [
    [{ hostId: "../x" }, "true\n", /host id/],
    [{ layer: "Ssh\nhost x" }, "true\n", /layer name/],
    [{ machine: "x\nlayer y" }, "true\n", /machine id/],
    [{ serial: 0 }, "true\n", /serial 0/],
    [{ serial: 1.5 }, "true\n", /serial 1.5/],
    [{ act: "confirm", digest: "x\nlayer y" }, "", /a digest/],
    [{ act: "await", digest: "ab".repeat(32) }, "true\n", /5 bytes/],
    [{}, "", /0 bytes/],
    [{}, "x".repeat(maxEnvelopeBytes), /doesn't fit/],
  ];
  for (const [change, script, reason] of bad) {
    assert.throws(() => message({ ...header, ...change }, script), reason);
  }
  assert.throws(() => sshKeyPair("abc", "x"), RangeError);
});

/** Chooses a serial for this script, where that one was sent before under serial 3 and answered, or not. */
function chosen(script: string, before: string, isAnswered: boolean, least = 1): number {
  const text = message(header, before);
  const asked: string[] = [];
  const serial = chooseSerial(
    (number) => message({ ...header, serial: number }, script),
    { envelope: text + sign(seed, text), answer: "said" },
    (answer, request) => asked.push(`${answer} ${request}`) > 0 && isAnswered,
    least,
  );
  assert.ok(asked.every((each) => each === `said ${digest(text)}`));
  return serial;
}

void test("an unchanged script that the host answered keeps its serial, so that nothing is sent", () => {
  assert.equal(chosen("true\n", "true\n", true), 3);
});

void test("a changed script, one that nobody answered and a raised minimum get a higher serial: the time", () => {
  const before = Date.now();
  for (const serial of [
    chosen("false\n", "true\n", true),
    chosen("true\n", "true\n", false),
    chosen("true\n", "true\n", true, 4),
  ]) {
    assert.ok(serial >= before && serial <= Date.now(), String(serial));
  }
  assert.equal(chosen("true\n", "true\n", true, 9e14), 9e14);
});

void test("where the clock is behind, the serial is still higher than the one before", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: 1 });
  assert.equal(chosen("false\n", "true\n", true), 4);
});

void test("an envelope of the first format, or none, is no reason to keep a serial", () => {
  const make = (serial: number) => message({ ...header, serial }, "true\n");
  for (const earlier of [undefined, { envelope: "monoclaw-envelope 1\ngeneration 1\n", answer: "" }]) {
    assert.ok(chooseSerial(make, earlier, () => true, 1) > 1e12);
  }
});
