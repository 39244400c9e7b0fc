import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { portsBy, sshWays, wayWord } from "../../lib/sshWays";

const authorizedKeys = [sshKeyPair("01".repeat(32), "me@laptop").publicKey];

function ways(raw: Readonly<Record<string, unknown>>) {
  const host = parseConfig({ authorizedKeys, ...raw }, ".").hosts.get("gateway");
  assert.ok(host);
  const found = sshWays(host);
  return {
    open: found.open.map(wayWord),
    now: wayWord(found.now),
    next: wayWord(found.next),
    public: portsBy("public", found),
    tailnet: portsBy("tailnet", found),
  };
}

void test("SSH is public unless told otherwise", () => {
  assert.deepEqual(ways({}), { open: ["22022"], now: "22022", next: "22022", public: [22022], tailnet: [] });
});

void test("a change of port keeps both open: in by the old one, confirmed by the new one", () => {
  const found = ways({ sshPort: 2222, previousSshPort: 22022 });
  assert.deepEqual(found, { open: ["2222", "22022"], now: "22022", next: "2222", public: [2222, 22022], tailnet: [] });
});

void test("so does a change to the tailnet, and back; then the other way is closed", () => {
  const over = "22022@tailscale0";
  const both = { public: [22022], tailnet: [22022] };
  assert.deepEqual(ways({ tailnet: { sshOnly: true, previousSshOnly: false } }), {
    open: [over, "22022"],
    now: "22022",
    next: over,
    ...both,
  });
  assert.deepEqual(ways({ tailnet: { sshOnly: true } }), {
    open: [over],
    now: over,
    next: over,
    public: [],
    tailnet: [22022],
  });
  assert.deepEqual(ways({ tailnet: { sshOnly: false, previousSshOnly: true } }), {
    open: ["22022", over],
    now: over,
    next: "22022",
    ...both,
  });
});

void test("port and tailnet may change at once", () => {
  const raw = { sshPort: 2222, previousSshPort: 22022, tailnet: { sshOnly: true, previousSshOnly: false } };
  const { open, now, next } = ways(raw);
  assert.deepEqual(open, ["2222@tailscale0", "22022@tailscale0", "2222", "22022"]);
  assert.deepEqual([now, next], ["22022", "2222@tailscale0"]);
});
