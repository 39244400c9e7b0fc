import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { templatesDir } from "../../lib/render";

// The host's own logger and tailscale: what they are called with is what counts.
const folder = mkdtempSync(join(tmpdir(), "monoclaw-devices-"));
const whois = { Node: { Hostinfo: { Hostname: "laptop" } }, UserProfile: { LoginName: "alice@example.com" } };
for (const [name, body] of [
  ["logger", `printf '%s\\n' "$@" >${folder}/logged`],
  ["tailscale", `[ "$*" = 'whois --json 100.64.0.2' ] || exit 1; echo '${JSON.stringify(whois)}'`],
] as const) {
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, name), 0o755);
}
after(() => {
  rmSync(folder, { recursive: true });
});

/** What a person sees of an answer of the box. */
function shown(answer: string | object) {
  const { status, stdout, stderr } = spawnSync(
    "python3",
    [join(templatesDir, "runtime/files/usr/local/vps-scripts/show-devices")],
    {
      input: typeof answer === "string" ? answer : `npm noise\n${JSON.stringify(answer)}\n`,
      encoding: "utf8",
      env: { ...process.env, PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}` },
    },
  );
  return { status, stdout, stderr };
}

const key = Buffer.alloc(32, 7);
const deviceId = createHash("sha256").update(key).digest("hex");
const browser = {
  deviceId,
  publicKey: key.toString("base64url"),
  clientId: "openclaw-control-ui",
  platform: "Linux x86_64",
  roles: ["operator"],
  scopes: ["operator.admin", "operator.read"],
  remoteIp: "100.64.0.2",
};
const requestId = "86034151-2bf3-414a-b08f-e4d766a000eb";

void test("devices: who waits and who is paired, with the fingerprint, the node and its user", () => {
  const asks = { ...browser, requestId, ts: Date.UTC(2026, 0, 2, 3, 4, 5), scopes: ["operator.admin"] };
  const paired = { ...browser, remoteIp: "192.0.2.7", connected: true, approvedAtMs: Date.UTC(2026, 0, 1) };
  const { status, stdout } = shown({ pending: [asks], paired: [paired] });
  assert.equal(status, 0);
  assert.deepEqual(stdout.replaceAll(/, \d+ h ago/g, "").split("\n"), [
    "waiting for approval: 1",
    `  ${requestId}`,
    "    name      openclaw-control-ui, Linux x86_64",
    "    address   100.64.0.2, laptop of alice@example.com",
    "    asked     2026-01-02 03:04:05 UTC",
    "    asks for  operator: admin",
    "    has       operator: admin read",
    `    key       SHA-256 ${deviceId}`,
    "paired: 1",
    `  ${deviceId}`,
    "    name      openclaw-control-ui, Linux x86_64",
    "    address   192.0.2.7",
    "    approved  2026-01-01 00:00:00 UTC",
    "    connected now",
    "    may       operator: admin read",
    `    key       SHA-256 ${deviceId}`,
    "",
  ]);
});

void test("devices: what became of one is shown, and logged by its fingerprint", () => {
  for (const outcome of ["approved", "rejected", "removed"]) {
    const { status, stdout } = shown({ [outcome]: browser });
    assert.equal(status, 0);
    assert.equal(stdout.split("\n")[0], `${outcome}: ${deviceId}`);
    assert.equal(
      readFileSync(join(folder, "logged"), "utf8"),
      `-t\nmonoclaw\n--\ndevice ${outcome}: SHA-256 ${deviceId}\n`,
    );
  }
});

void test("devices: no text of a browser's steers the terminal, and a false ID is told", () => {
  const evil = "\u001b]0;owned\u0007\u009b31m\u202e\n  paired: 9\r";
  const device = {
    requestId: evil,
    deviceId: evil,
    displayName: evil,
    platform: evil,
    browserOrigin: evil,
    remoteIp: evil,
    publicKey: browser.publicKey,
    roles: [evil],
    scopes: [evil],
    ts: evil,
  };
  const { status, stdout, stderr } = shown({ pending: [device], paired: [device, { ...device, publicKey: evil }] });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stdout, /[^\x20-\x7e\n]/);
  assert.deepEqual(stdout.match(/^paired: .*$/gm), ["paired: 2"]);
  assert.equal(stdout.match(/, which is not its ID$/gm)?.length, 2);
  assert.equal(stdout.match(/key {7}none: it shows no public key$/gm)?.length, 1);
  const crash = shown(`${evil}\nTypeError: ${evil}`);
  assert.equal(crash.status, 1);
  assert.doesNotMatch(crash.stdout + crash.stderr, /[^\x20-\x7e\n]/);
});

for (const [what, answer, words] of [
  ["an error", { error: "gateway token mismatch" }, /^the gateway refused: gateway token mismatch$/m],
  ["an ID that nobody has", { unknown: requestId }, /knows no such ID/],
  ["nothing", "", /gave no answer/],
  ["no JSON", "Segmentation fault\n", /^Segmentation fault\nOpenClaw gave no answer/m],
  ["no list", { pending: 7, paired: {} }, /makes no sense/],
  ["no devices", { pending: [7], paired: [] }, /makes no sense/],
  ["no device", { approved: null }, /makes no sense/],
  ["JSON that nests without end", `{"pending":${"[".repeat(200_000)}`, /gave no answer/],
  ["more than anybody has devices", `{"pending":"${"x".repeat(2_000_000)}"}`, /longer than 1048576 bytes/],
] as const) {
  void test(`devices: ${what} is told, and the command fails`, () => {
    const { status, stderr } = shown(answer);
    assert.equal(status, 1);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /Traceback/);
  });
}
