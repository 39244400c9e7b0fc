import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { prepare } from "../../components/hostSettings";
import { expectedOf, layers } from "../../components/layers";
import { sshKeyPair } from "../../lib/keys";
import { sshWays } from "../../lib/sshWays";
import { valueOf } from "./mocks";

void test("each layer has a name of its own, and stands behind those that it comes after", () => {
  const before = new Set<string>();
  for (const { name, after = [] } of layers) {
    assert.ok(!before.has(name), `${name} is there twice`);
    for (const each of after) assert.ok(before.has(each), `${name} comes after ${each}, which isn't before it`);
    before.add(name);
  }
});

void test("what the host's own audit compares with comes from the layers, each key from one", async () => {
  const settings = prepare("gateway", {
    keys: { authorizedKeys: [sshKeyPair("0f".repeat(32), "me@laptop").publicKey] },
    leastSerial: 1,
  });
  const host = { hostname: "gateway", tags: ["tag:monoclaw"], loginServer: undefined, https: true, newKey: "pulumi …" };
  const expected = await valueOf(
    expectedOf({
      primaryUser: settings.primaryUser,
      ways: sshWays(settings),
      content: settings.content,
      deployPublicKey: pulumi.output("ssh-ed25519 AAAA"),
      token: { token: pulumi.output(""), rotateCommand: pulumi.output("pulumi up --replace 'URN'") },
      archive: settings.tailnet.archive,
      membership: { authKey: pulumi.output(""), host: pulumi.output(host) },
    }),
  );
  const keys = Object.keys(expected).filter((key) => !key.startsWith("sshd."));
  assert.deepEqual(keys.sort(), [
    ...[
      "authorizedKeys",
      "bantime",
      "dashboard",
      "findtime",
      "hostname",
      "ignoreip",
      "kernel",
      "maxretry",
      "memoryMax",
    ],
    ...["newKey", "openclaw", "primaryUser", "reboot", "rotateToken", "sshPorts", "sshWays", "tailnet", "tailscale"],
    ...["tailscaled", "tasksMax"],
  ]);
  assert.equal(expected["sshd.maxauthtries"], "3");
  assert.equal(expected["memoryMax"], 2 * 1024 ** 3);
});

void test("no layer stands between those that are confirmed: a new way in needs all of them", () => {
  const confirmed = layers.flatMap((layer, at) => (layer.confirmed === true ? [at] : []));
  assert.deepEqual(
    confirmed.map((at) => layers[at]?.name),
    ["ssh", "firewall"],
  );
  assert.equal((confirmed.at(-1) ?? 0) - (confirmed[0] ?? 0), confirmed.length - 1);
});
