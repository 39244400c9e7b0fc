import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { memberOf } from "../../lib/tailnetPolicy";
import { type Declared, newStack, recordResources, valueOf } from "./mocks";

const open = '{"grants":[{"src":["*"],"dst":["*"],"ip":["*"]}]}';
let asked = 0;
const declared = recordResources({
  // First the policy of a new tailnet, then the one that the program made.
  "tailscale:index/getAcl:getAcl": () => {
    asked++;
    const acl = declared.find(({ name }) => name === "tailnet-acl")?.inputs["acl"];
    return { hujson: acl ?? open, json: open };
  },
});
let off = "";

function named(name: string): Declared {
  const found = declared.find((resource) => resource.name === name);
  assert.ok(found, `no resource ${name}`);
  return found;
}

before(async () => {
  const { Tailnet } = await import("../../components/tailnet");
  const { Host } = await import("../../components/host");
  const authorizedKeys = [sshKeyPair("0f".repeat(32), "me@laptop").publicKey];
  const { hosts } = parseConfig(
    {
      authorizedKeys,
      hosts: {
        home: { tailnet: { users: ["alice@example.com"] } },
        away: { tailnet: { enabled: false } },
      },
    },
    ".",
  );
  const [home, away] = [hosts.get("home"), hosts.get("away")];
  assert.ok(home && away);
  await Tailnet.make("tailnet", { members: [memberOf(home)], overwriteAcl: false });
  const host = new Host("away", {
    ...away,
    ...newStack,
  });
  off = await valueOf(host.dashboardUrl);
  await pulumi.runtime.disconnect();
});

void test("a tailnet is its policy and its names, and nothing else", () => {
  const own = declared.filter(({ name }) => name.startsWith("tailnet"));
  assert.deepEqual(
    own.map(({ type, name }) => `${type} ${name}`),
    [
      "monoclaw:index:Tailnet tailnet",
      "tailscale:index/dnsPreferences:DnsPreferences tailnet-dns",
      "tailscale:index/acl:Acl tailnet-acl",
    ],
  );
  assert.deepEqual(named("tailnet-dns").inputs, { magicDns: true });
});

void test("the policy is asked for before it is set and after, and set only if nobody else's is there", () => {
  const { acl, ...rest } = named("tailnet-acl").inputs;
  assert.match(String(acl), /^\/\/ monoclaw stack=unit sha256=[0-9a-f]{64}\n/);
  // Nothing resets it on destroy: that would open the tailnet.
  assert.deepEqual(rest, { overwriteExistingContent: false });
  assert.equal(asked, 2);
});

void test("a host that is off the tailnet has no key and serves nothing there; a tunnel leads to its dashboard", () => {
  const own = declared.filter(({ name }) => name.startsWith("away-")).map(({ name }) => name);
  assert.ok(own.includes("away-tailscale-apply"), "what is to be taken away must be told so");
  assert.deepEqual(
    own.filter((name) => /tailnet|dashboard/.test(name)),
    [],
  );
  assert.equal(off, "http://127.0.0.1:18789/ after: ssh -N -L 18789:127.0.0.1:18789 -p 22022 ops@192.0.2.7");
});
