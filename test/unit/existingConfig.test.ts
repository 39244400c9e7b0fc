import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { ConfigError, type ExistingSettings, type Mistake, parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "monoclaw-existing-"));
after(() => {
  fs.rmSync(folder, { recursive: true });
});
const { publicKey, privateKey } = sshKeyPair("01".repeat(32), "me@laptop");
const hostKey = publicKey.split(" ").slice(0, 2).join(" ");
const machine = { address: "203.0.113.7", hostKey };

function stack(existing: unknown, more: object = {}): Record<string, unknown> {
  return { authorizedKeys: [publicKey], target: "existing", existing, ...more };
}

function mistakes(raw: Record<string, unknown>, secretKeys: readonly string[] = ["existing"]): readonly Mistake[] {
  try {
    parseConfig(raw, folder, { secretKeys: new Set(secretKeys) });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.mistakes;
  }
  return [];
}

function settings(existing: object, secretKeys: readonly string[] = ["existing"]): ExistingSettings {
  const found = parseConfig(stack({ ...machine, ...existing }), folder, { secretKeys: new Set(secretKeys) }).hosts.get(
    "gateway",
  );
  assert.equal(found?.target, "existing");
  return found.existing ?? assert.fail("no machine");
}

/** A private key file as ssh-keygen makes it. */
function keyFile(name: string, ...args: string[]): string {
  execFileSync("ssh-keygen", ["-q", "-f", path.join(folder, name), ...args]);
  return fs.readFileSync(path.join(folder, name), "utf8");
}

void test("an address and a host key are all that an existing machine needs; the rest has defaults", () => {
  const rest = { port: 22, user: "root", privateKey: undefined, trustOnFirstUse: false };
  assert.deepEqual(settings({}), { ...machine, ...rest });
  assert.deepEqual(settings({ hostKey: undefined, trustOnFirstUse: true }), {
    address: machine.address,
    hostKey: undefined,
    ...rest,
    trustOnFirstUse: true,
  });
  assert.equal(settings({ hostKey: `  ${publicKey}\n` }).hostKey, hostKey);
  assert.deepEqual(mistakes(stack({ ...machine, address: "vps-1.example.org" })), []);
  assert.deepEqual(mistakes(stack({ ...machine, address: "2001:db8::7" })), []);
});

void test("private keys: the text itself, or a file's path; OpenSSH's form and the older ones", () => {
  assert.equal(settings({ privateKey }).privateKey, privateKey);
  assert.equal(
    settings({ privateKey: privateKey.trim() }).privateKey,
    privateKey,
    "the last line break is lost easily",
  );
  const rsa = keyFile("rsa", "-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM");
  assert.equal(settings({ privateKey: "rsa" }, []).privateKey, rsa);
});

void test("every mistake about the machine is reported in one go, each with its command", () => {
  const found = mistakes(
    stack({ address: "256.1.1", port: "22", user: "no way", privateKey: 7, hostKey: "ssh-rsa AAAA", x: 1 }),
    [],
  );
  assert.deepEqual(found.map(({ key }) => key).sort(), [
    "existing.address",
    "existing.hostKey",
    "existing.port",
    "existing.privateKey",
    "existing.user",
    "existing.x",
  ]);
  for (const { fix } of found) {
    assert.match(fix, /^pulumi config (set|rm) /);
  }
});

const cases: [name: string, existing: object, key: string, reason: RegExp][] = [
  ["no address", { address: undefined }, "address", /IP address or DNS name/],
  ["an address with a port", { address: "203.0.113.7:22" }, "address", /IP address or DNS name/],
  ["an address with an option of ssh", { address: "-oProxyCommand=x" }, "address", /IP address or DNS name/],
  ["a port out of range", { port: 65536 }, "port", /integer from 1 to 65535/],
  ["the primary user", { user: "ops" }, "user", /is the primaryUser/],
  ["no host key", { hostKey: undefined }, "hostKey", /compared with what its provider's console shows/],
  ["a damaged host key", { hostKey: hostKey.slice(0, 40) }, "hostKey", /damaged/],
  ["a host key of another type", { hostKey: "ecdsa-sha2-nistp256 AAAA" }, "hostKey", /ssh-ed25519/],
  ["a line of known_hosts", { hostKey: `203.0.113.7 ${hostKey}` }, "hostKey", /ssh-ed25519/],
  ["both ways of trust", { trustOnFirstUse: true }, "trustOnFirstUse", /there is one/],
  ["trust that is no boolean", { trustOnFirstUse: "yes" }, "trustOnFirstUse", /true or false/],
  ["a missing key file", { privateKey: "~/.ssh/none" }, "privateKey", /no such file/],
  ["half a private key", { privateKey: privateKey.slice(0, 90) }, "privateKey", /not a whole private key/],
  ["another name of a key", { privatekey: privateKey }, "privatekey", /there is no such key; known are address/],
];
for (const [name, existing, key, reason] of cases) {
  void test(`existing machine, ${name}: refused`, () => {
    const found = mistakes(stack({ ...machine, ...existing }));
    assert.deepEqual(
      found.map((mistake) => mistake.key),
      [`existing.${key}`],
    );
    assert.match(found[0]?.reason ?? "", reason);
  });
}

void test("private keys that can't be used without a question, or are public, are refused", () => {
  keyFile("locked", "-t", "ed25519", "-N", "secret");
  keyFile("locked-pem", "-t", "rsa", "-b", "2048", "-N", "secret", "-m", "PEM");
  keyFile("locked-pkcs8", "-t", "rsa", "-b", "2048", "-N", "secret", "-m", "PKCS8");
  for (const file of ["locked", "locked-pem", "locked-pkcs8"]) {
    assert.match(mistakes(stack({ ...machine, privateKey: file }))[0]?.reason ?? "", /passphrase.*ssh-add/, file);
  }
  assert.match(mistakes(stack({ ...machine, privateKey: "locked.pub" }))[0]?.reason ?? "", /is a public key/);
});

void test("a private key that stands in clear in the configuration file is refused", () => {
  const [mistake] = mistakes(stack({ ...machine, privateKey }), []);
  assert.equal(mistake?.key, "existing.privateKey");
  assert.match(mistake.reason, /stands in clear/);
  assert.match(mistake.fix, /config set --secret/);
});

void test("no mistake ever shows a private key", () => {
  const lines = privateKey.split("\n").slice(1, -2);
  for (const raw of [
    stack({ ...machine, privateKey }),
    stack({ ...machine, privatekey: privateKey }),
    stack({ ...machine, privateKey: lines.join("") }),
    stack({ ...machine, privateKey: [privateKey] }),
    stack({ ...machine, hostKey: privateKey, user: privateKey, address: privateKey }),
    stack([privateKey]),
    { authorizedKeys: [privateKey], existing: { privateKey } },
    { authorizedKeys: [publicKey], privateKey },
    { authorizedKeys: [publicKey], hosts: { a: { existing: { privateKey } } } },
  ]) {
    for (const secretKeys of [["existing"], []]) {
      const found = mistakes(raw, secretKeys);
      const text = new ConfigError(found).message;
      for (const line of lines) {
        assert.ok(!text.includes(line.slice(0, 30)), text);
      }
    }
  }
});

void test("each target has keys of its own, and the other's are mistakes", () => {
  const keys = (raw: Record<string, unknown>) =>
    mistakes({ authorizedKeys: [publicKey], ...raw }).map(({ key }) => key);
  assert.deepEqual(keys({ existing: machine }), ["existing"]);
  assert.deepEqual(keys({ target: "existing", existing: machine, server: { type: "cx23" } }), ["server"]);
  assert.deepEqual(keys({ target: "aws" }), ["target"]);
  const mixed = { server: { type: "cx33" }, hosts: { rented: {}, own: { target: "existing", existing: machine } } };
  assert.deepEqual(keys(mixed), []);
  const crossed = {
    hosts: { rented: { existing: machine }, own: { target: "existing", existing: machine, server: { type: "cx33" } } },
  };
  assert.deepEqual(keys(crossed).sort(), ["hosts.own.server", "hosts.rented.existing"]);
});

void test("two hosts can't be one machine", () => {
  const two = (b: object) => stack(undefined, { hosts: { a: { existing: machine }, b: { existing: b } } });
  assert.deepEqual(
    mistakes(two(machine)).map(({ key }) => key),
    ["hosts.b.existing.address"],
  );
  assert.deepEqual(mistakes(two({ ...machine, address: "203.0.113.8" })), []);
});
