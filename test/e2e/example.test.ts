import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { sshKeyPair } from "../../lib/keys";
import { TestStack } from "./stack";

// No host is made: a preview shows what would be.

void test("a program of one's own previews a host, and is told its mistakes by their names", async () => {
  const program = join(__dirname, "../../examples/own-program");
  const { publicKey } = sshKeyPair("0f".repeat(32), "me@laptop");
  const stack = await TestStack.make("own-program", { "home-server:publicKey": publicKey }, program);
  const preview = await stack.pulumi("preview", "--diff");
  assert.equal(preview.exitCode, 0, preview.all);
  assert.match(
    preview.all,
    /monoclaw:index:Host: .*\n.*urn:pulumi:own-program::home-server::monoclaw:index:Host::home\]/,
  );
  assert.match(preview.all, /serverType *: "cx33"/);
  assert.doesNotMatch(preview.all, /tailnet-key/);

  stack.configure({ "home-server:publicKey": "ssh-dss AAAA" });
  const refused = await stack.pulumi("preview");
  assert.notEqual(refused.exitCode, 0, refused.all);
  assert.match(refused.all, /the arguments of Host home have mistakes:\n +authorizedKeys\[0\] = "ssh-dss AAAA": /);
});
