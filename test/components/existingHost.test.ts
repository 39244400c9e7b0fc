import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { type Declared, hostKey as ownKey, newStack, recordResources, valueOf } from "./mocks";

const { publicKey, privateKey } = sshKeyPair("0f".repeat(32), "me@laptop");
const hostKey = sshKeyPair("0e".repeat(32), "").publicKey.trim();
const declared = recordResources();
let knownHosts = "";

function named(name: string): Declared {
  const found = declared.find((resource) => resource.name === name);
  assert.ok(found, `no resource ${name}`);
  return found;
}

function connectionOf(name: string): Record<string, unknown> {
  return named(name).inputs["connection"] as Record<string, unknown>;
}

before(async () => {
  const { Host } = await import("../../components/host");
  const address = "2001:db8::7";
  const { hosts } = parseConfig(
    {
      authorizedKeys: [publicKey],
      target: "existing",
      hosts: {
        pinned: { existing: { address, port: 2200, user: "debian", privateKey, hostKey } },
        trusting: { existing: { address: "vps.example.org", trustOnFirstUse: true } },
      },
    },
    ".",
    { secretKeys: new Set(["hosts"]) },
  );
  for (const [name, settings] of hosts) {
    const host = new Host(name, { ...settings, ...newStack });
    knownHosts += `${await valueOf(host.knownHosts)}\n`;
  }
  await pulumi.runtime.disconnect();
});

void test("an existing host rents nothing, and has one command more: the bootstrap", () => {
  const own = declared.filter(({ name }) => name.startsWith("pinned"));
  assert.deepEqual(
    own.map(({ type }) => type).filter((type) => type.startsWith("hcloud:")),
    [],
  );
  const others = own.filter(({ name }) => !/-(apply|confirm)$/.test(name) && !name.startsWith("pinned-trust"));
  assert.deepEqual(
    others
      .flatMap(({ type, name }) =>
        type.endsWith(":Layer") || type.endsWith(":Confirmation") ? [] : [`${type.replace(/^.*:/, "")} ${name}`],
      )
      .sort(),
    [
      "Bootstrap pinned",
      "Command pinned-bootstrap",
      "Command pinned-contact-key",
      "Command pinned-tailnet-device",
      "Command pinned-tailnet-leave",
      "ExistingHost pinned",
      "FirstContact pinned-contact",
      "GatewayToken pinned-gateway",
      "Host pinned",
      "Leave pinned-tailnet",
      "RandomPassword pinned-gateway-token",
      "TailnetKey pinned-tailnet-key",
    ],
  );
});

void test("the bootstrap alone comes in by the old way, pinned; everything after it by the new one", () => {
  assert.deepEqual(connectionOf("pinned-bootstrap"), {
    host: "2001:db8::7",
    port: 2200,
    user: "debian",
    privateKey,
    hostKey,
    dialErrorLimit: 3,
    perDialTimeout: 10,
  });
  for (const { name, inputs } of declared.filter(({ type }) => type === "command:remote:Command")) {
    const { port, user, hostKey: pin, privateKey: key } = inputs["connection"] as Record<string, unknown>;
    if (!name.endsWith("-bootstrap")) {
      assert.deepEqual([port, user], [22022, "ops"], name);
      assert.match(String(pin), /^ssh-ed25519 /, name);
      assert.notEqual(key, privateKey, name);
    }
  }
});

void test("without a key the agent is asked, and without a pin the first key is taken once, then pinned", () => {
  assert.deepEqual(Object.keys(connectionOf("trusting-bootstrap")).sort(), [
    ...["dialErrorLimit", "host", "perDialTimeout", "port", "user"],
  ]);
  assert.equal(connectionOf("trusting-contact-key")["hostKey"], ownKey);
});

void test("the script comes by stdin, whole; it holds no private key and opens no old way again", () => {
  const { inputs } = named("pinned-bootstrap");
  const script = String(inputs["stdin"]);
  assert.match(script, /^#!\/usr\/bin\/env bash\n/);
  assert.match(script, /\nmain\n$/, "a script cut short would run nothing");
  assert.doesNotMatch(script, /PRIVATE KEY|PermitRootLogin no|bootstrap-host-key <|\/root\/\.ssh/);
  assert.equal(inputs["addPreviousOutputInEnv"], false);
  assert.deepEqual(inputs["triggers"], [hostKey]);
  assert.deepEqual(named("trusting-bootstrap").inputs["triggers"], ["vps.example.org"]);
});

void test("known_hosts lines name the machine's own key", () => {
  assert.equal(knownHosts, `[2001:db8::7]:22022 ${ownKey}\n[vps.example.org]:22022 ${ownKey}\n`);
});
