import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { ConfigError, type Mistake, parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "monoclaw-config-"));
after(() => {
  fs.rmSync(folder, { recursive: true });
});
const key = sshKeyPair("01".repeat(32), "me@laptop").publicKey;

function keygen(type: string, bits: number): string {
  const file = path.join(folder, `${type}${String(bits)}`);
  if (!fs.existsSync(file)) {
    execFileSync("ssh-keygen", ["-q", "-t", type, "-b", String(bits), "-N", "", "-f", file]);
  }
  return fs.readFileSync(`${file}.pub`, "utf8").trim();
}

/** A public key that ssh-keygen made once: to make an RSA key takes up to 20 s. */
function rsa(bits: 2048 | 4096): string {
  return fs.readFileSync(path.join(__dirname, `keys/rsa-${String(bits)}.pub`), "utf8").trim();
}

function mistakes(raw: Record<string, unknown>): readonly Mistake[] {
  try {
    parseConfig(raw, folder);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.mistakes;
  }
  return [];
}

/** The keys that are found wrong beside a right authorizedKeys. */
function wrong(raw: Record<string, unknown>): string[] {
  return mistakes({ authorizedKeys: [key], ...raw }).map((mistake) => mistake.key);
}

void test("SSH keys are all that a stack has to set; the defaults are secure", () => {
  const { serial, hosts } = parseConfig({ authorizedKeys: [key] }, folder);
  assert.equal(serial, 1);
  assert.deepEqual(
    [...hosts],
    [
      [
        "gateway",
        {
          primaryUser: "ops",
          sshPort: 22022,
          previousSshPort: undefined,
          authorizedKeys: [key],
          target: "hcloud",
          server: { type: "cx23", image: "debian-13", location: "nbg1", backups: false },
          existing: undefined,
          limits: { memoryMax: "2G", tasksMax: 100 },
          fail2ban: { maxretry: 5, findtime: 600, bantime: 3600, ignoreip: [] },
          updates: { reboot: "none", rebootTime: "04:30" },
          kernel: "hardened",
          openclaw: { settings: {}, registry: undefined },
          // test/unit/tailnetConfig.test.ts looks into it.
          tailnet: hosts.get("gateway")?.tailnet,
        },
      ],
    ],
  );
});

void test("a host's own value comes before the stack's, and that before the default", () => {
  const raw = {
    authorizedKeys: [key],
    sshPort: 2222,
    server: { type: "cpx32", location: "hel1" },
    hosts: { home: { server: { type: "cx33" } }, work: { sshPort: 2223 } },
  };
  const { hosts } = parseConfig(raw, folder);
  const server = { type: "cx33", image: "debian-13", location: "hel1", backups: false };
  assert.deepEqual(hosts.get("home")?.server, server);
  assert.deepEqual([hosts.get("home")?.sshPort, hosts.get("work")?.sshPort], [2222, 2223]);
});

void test("every mistake is reported in one go, with key, value, reason and the command that mends it", () => {
  const found = mistakes({
    sshPort: 22,
    primaryUser: "root",
    sshprot: 1,
    limits: { memoryMax: "2 GB", tasksMax: "many", x: 1 },
    server: { type: "huge machine" },
    serial: 0,
  });
  assert.deepEqual(found.map((mistake) => mistake.key).sort(), [
    "authorizedKeys",
    "limits.memoryMax",
    "limits.tasksMax",
    "limits.x",
    "primaryUser",
    "serial",
    "server.type",
    "sshPort",
    "sshprot",
  ]);
  const text = new ConfigError(found).message;
  assert.match(text, /^9 mistakes in the configuration; nothing was changed\.$/m);
  assert.match(
    text,
    /monoclaw:sshPort = 22: is where scanners look first.*\n +pulumi config set monoclaw:sshPort 22022/,
  );
  assert.match(text, /monoclaw:authorizedKeys is not set: must list at least one/);
  for (const mistake of found) {
    assert.match(mistake.fix, /^pulumi config (set|rm)/);
  }
});

void test("ports: 22, the gateway's and the web's are refused, and a move must go somewhere", () => {
  for (const port of [22, 80, 443, 18789, 0, 65536, 2222.5, "2222", true]) {
    assert.deepEqual(wrong({ sshPort: port }), ["sshPort"], String(port));
  }
  assert.deepEqual(wrong({ sshPort: 2222, previousSshPort: 2222 }), ["previousSshPort"]);
  assert.deepEqual(wrong({ sshPort: 2222, previousSshPort: 22 }), []);
});

void test("users: names that mean something else on a host are refused", () => {
  for (const user of ["root", "openclaw", "admin", "sudo", "Ops", "-x", "a b", "", "x".repeat(33), "ops\nroot", 7]) {
    assert.deepEqual(wrong({ primaryUser: user }), ["primaryUser"], String(user));
  }
});

void test("keys: Ed25519, or RSA of 4096 bits, and nothing else", () => {
  assert.deepEqual(wrong({ authorizedKeys: [keygen("ed25519", 256), rsa(4096)] }), []);
  const bad: [unknown, RegExp][] = [
    [rsa(2048), /RSA with 2048 bits/],
    [keygen("ecdsa", 256), /of type ecdsa-sha2-nistp256/],
    [`command="x" ${key}`, /options before the key/],
    [`${key}\n${key}`, /more than one line/],
    [key.slice(0, 40), /damaged/],
    [key.replace("ssh-ed25519", "ssh-rsa"), /damaged/],
    ["-----BEGIN OPENSSH PRIVATE KEY-----", /private key/],
    ["", /not a public key line/],
    [3, /public key line, or the path/],
    ["missing.pub", /no such file/],
  ];
  for (const [entry, reason] of bad) {
    const [mistake] = mistakes({ authorizedKeys: [key, entry] });
    assert.equal(mistake?.key, "authorizedKeys[1]", String(entry));
    assert.match(mistake.reason, reason);
  }
});

void test("keys: a .pub file is read, relative to the project", () => {
  fs.writeFileSync(path.join(folder, "me.pub"), `${key}\n`);
  assert.deepEqual(parseConfig({ authorizedKeys: ["me.pub"] }, folder).hosts.get("gateway")?.authorizedKeys, [key]);
});

void test("openclaw: what the requirements fix can't be overridden, the rest can", () => {
  const settings = (value: unknown) => wrong({ openclaw: { settings: value } });
  assert.deepEqual(settings({ gateway: { bind: "lan", auth: { token: "x" } } }), [
    "openclaw.settings.gateway.bind",
    "openclaw.settings.gateway.auth.token",
  ]);
  assert.deepEqual(settings({ agents: { defaults: {} }, gateway: { controlUi: {} } }), []);
  assert.deepEqual(wrong({ openclaw: { registry: "not a url" } }), ["openclaw.registry"]);
});

void test("a mistake that several hosts share is one mistake", () => {
  assert.deepEqual(wrong({ sshPort: 22, hosts: { a: {}, b: {} } }), ["sshPort"]);
  assert.deepEqual(wrong({ hosts: { a: { sshPort: 22 }, B_: {} } }).sort(), ["hosts.B_", "hosts.a.sshPort"]);
  assert.deepEqual(wrong({ hosts: {} }), ["hosts"]);
  assert.deepEqual(wrong({ hosts: ["a"] }), ["hosts"]);
});

void test("memory: at least what the gateway needs", () => {
  assert.deepEqual(wrong({ limits: { memoryMax: "512M" } }), ["limits.memoryMax"]);
  assert.deepEqual(wrong({ limits: { memoryMax: "1536M" } }), []);
});
