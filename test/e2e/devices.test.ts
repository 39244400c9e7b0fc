import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { entry } from "./deviceList";
import { host } from "./hostTest";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

/** The key pair by which a browser is known, as OpenClaw's client takes it. */
interface Identity {
  /** SHA-256 of the public key, hex. */
  readonly deviceId: string;
  readonly publicKeyPem: string;
  readonly privateKeyPem: string;
}

function makeIdentity(): Identity {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  return {
    deviceId: createHash("sha256").update(raw).digest("hex"),
    publicKeyPem: String(publicKey.export({ type: "spki", format: "pem" })),
    privateKeyPem: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

// Comes to the gateway with the right token, by a proxy that says who comes, as `tailscale serve` does. Prints "connected", or why not.
const visit = `
import * as fs from "node:fs";
import * as net from "node:net";
import { pathToFileURL } from "node:url";
const { identity, address, displayName, scopes } = JSON.parse(fs.readFileSync(0, "utf8"));
const sdk = "/opt/openclaw/current/node_modules/openclaw/dist/plugin-sdk/gateway-runtime.js";
const { GatewayClient } = await import(pathToFileURL(sdk).href);
const { gateway } = JSON.parse(fs.readFileSync("/var/lib/openclaw/.openclaw/openclaw.json", "utf8"));
const end = (answer) => { console.log("\\n" + JSON.stringify(answer)); process.exit(0); };
const proxy = net.createServer((near) => {
  const far = net.connect(18789, "127.0.0.1");
  near.once("data", (head) => {
    far.write(String(head).replace("\\r\\n", "\\r\\nX-Forwarded-For: " + address + "\\r\\n"));
    near.pipe(far).pipe(near);
  });
}).listen(0, "127.0.0.1", () => {
  new GatewayClient({
    url: "ws://127.0.0.1:" + proxy.address().port, token: gateway.auth.token, deviceIdentity: identity, role: "operator", scopes,
    clientName: "openclaw-control-ui", mode: "webchat", clientDisplayName: displayName, platform: "Test",
    origin: "http://127.0.0.1:18789",
    onHelloOk: () => end("connected"),
    onConnectError: (error) => end(error.details ?? error.message),
    onClose: (code, reason) => end(reason),
  }).start();
});
`;

interface Visitor {
  readonly identity: Identity;
  readonly address: string;
  readonly displayName: string;
}

/** A browser comes and asks for these scopes. Undefined if it is let in, else the ID of its request and the reason. */
async function come(stack: TestStack, visitor: Visitor, scopes: readonly string[]) {
  const node = "/opt/openclaw/current/bin/node --input-type=module -e";
  const words = `setpriv --reuid=openclaw --regid=openclaw --clear-groups --reset-env ${node} '${visit}'`;
  const lines = (await stack.root(words, JSON.stringify({ ...visitor, scopes }))).trim().split("\n");
  const answer = JSON.parse(lines.at(-1) ?? "") as "connected" | { code?: string; requestId?: string; reason?: string };
  if (answer === "connected") {
    return undefined;
  }
  assert.equal(typeof answer === "object" ? answer.code : answer, "PAIRING_REQUIRED");
  return { id: answer.requestId ?? "", reason: answer.reason };
}

hostTest("monoclaw-config devices, approve and forget: one browser at a time, by its exact ID", async (stack) => {
  const config = async (words: string, exitCode = 0) => {
    const result = await stack.ssh(`sudo -n monoclaw-config ${words}`);
    assert.equal(result.exitCode, exitCode, `${words}: ${result.all}`);
    assert.doesNotMatch(result.all, /[^\x20-\x7e\r\n]/, "nothing that steers a terminal");
    return result.all;
  };
  const evil = {
    identity: makeIdentity(),
    address: "100.64.0.9",
    displayName: "\u001b]0;owned\u0007Evil\n  paired: 0",
  };
  const good = { identity: makeIdentity(), address: "100.64.0.8", displayName: "Good" };
  const [evils, goods] = [await come(stack, evil, ["operator.admin"]), await come(stack, good, ["operator.read"])];
  assert.ok(evils && goods && evils.id !== goods.id);
  assert.deepEqual([evils.reason, goods.reason], ["not-paired", "not-paired"]);

  const list = await config("devices");
  assert.match(entry(list, evils.id), /^ {4}name {6}\\u001b\]0;owned\\u0007Evil\\n {2}paired: 0, Test$/m);
  for (const [{ id }, { identity, address }, scope] of [
    [evils, evil, "admin"],
    [goods, good, "read"],
  ] as const) {
    const lines = entry(list, id);
    assert.match(lines, new RegExp(`^    address   ${address}$`, "m"));
    assert.match(lines, new RegExp(`^    asks for  operator: ${scope}$`, "m"));
    assert.match(lines, new RegExp(`^    key       SHA-256 ${identity.deviceId}$`, "m"));
  }
  assert.ok(!list.includes(await stack.token()));

  const key = good.identity.deviceId;
  const words = `latest --latest '' '*' 1 ../devices ${goods.id}x ${goods.id.slice(0, 8)} ${key.slice(1)}`.split(" ");
  words.push("", goods.id.toUpperCase(), `${goods.id} ${evils.id}`, `$'${goods.id}\\n${evils.id}'`, `$'${key}\\n'`);
  const wrong = [...words.flatMap((word) => [`approve ${word}`, `forget ${word}`]), `approve ${key}`, "devices --json"];
  const codes = await stack.ssh(wrong.map((each) => `sudo -n monoclaw-config ${each} >&2; echo $?`).join("\n"));
  assert.deepEqual(codes.stdout.split("\n"), Array<string>(wrong.length).fill("64"));
  const nobodys = "00000000-0000-4000-8000-000000000000";
  assert.match(await config(`approve ${nobodys}`, 1), /knows no such ID/);
  assert.match(await config(`forget ${"0".repeat(64)}`, 1), /knows no such ID/);
  assert.equal((await come(stack, good, ["operator.read"]))?.id, goods.id, "still waits, under the same ID");

  assert.match(await config(`approve ${goods.id}`), new RegExp(`^approved: ${good.identity.deviceId}$`, "m"));
  assert.equal(await come(stack, good, ["operator.read"]), undefined, "is let in");
  assert.equal((await come(stack, evil, ["operator.admin"]))?.id, evils.id, "the other one still waits");
  const log = await stack.root("journalctl -t monoclaw _UID=0 -o cat --since -5min");
  assert.match(log, new RegExp(`^device approved: SHA-256 ${good.identity.deviceId}$`, "m"));

  const more = await come(stack, good, ["operator.read", "operator.admin"]);
  assert.equal(more?.reason, "scope-upgrade", "more rights need an approval of their own");
  const upgrade = entry(await config("devices"), more.id);
  assert.match(upgrade, /^ {4}asks for {2}operator: admin read\n {4}has {7}operator: read$/m);

  for (const [id, outcome, { identity }] of [
    [more.id, "rejected", good],
    [evils.id, "rejected", evil],
    [good.identity.deviceId, "removed", good],
  ] as const) {
    assert.match(await config(`forget ${id}`), new RegExp(`^${outcome}: ${identity.deviceId}$`, "m"));
  }
  const again = await come(stack, good, ["operator.read"]);
  assert.equal(again?.reason, "not-paired", "whoever was sent away begins anew");
  await config(`forget ${again.id}`);
  const left = await config("devices");
  assert.ok(![evil, good].some(({ identity }) => left.includes(identity.deviceId)), left);
  assert.equal(await stack.root("find /var/lib/openclaw ! -user openclaw"), "", "root left no file there");
});
