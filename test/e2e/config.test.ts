import assert from "node:assert/strict";
import { test } from "node:test";
import { ownStack } from "./kinds";

void test("bad configuration: every mistake in one go, with key, reason and fix; nothing is changed", async () => {
  const stack = await ownStack("badconfig", {
    "monoclaw:sshPort": 22,
    "monoclaw:primaryUser": "root",
    "monoclaw:limits": { memoryMax: "lots", tasksMax: 3 },
    "monoclaw:authorizedKeys": ["ssh-dss AAAA"],
    "monoclaw:openclaw": { settings: { gateway: { bind: "lan" } } },
    "monoclaw:colour": "blue",
    // And no credentials for Tailscale's API.
    "monoclaw:tailnet": { users: ["*"] },
  });
  const output = await stack.failingUp();
  const keys = ["sshPort", "primaryUser", "limits.memoryMax", "limits.tasksMax", "authorizedKeys[0]"];
  for (const key of [...keys, "openclaw.settings.gateway.bind", "colour", "tailnet.enabled", "tailnet.users[0]"]) {
    const at = output.indexOf(`monoclaw:${key} `);
    assert.ok(at >= 0, `${key} is not named:\n${output}`);
    assert.match(output.slice(at).split("\n")[1] ?? "", /^\s+(pulumi|ssh-keygen) /, `${key} has no fix`);
  }
  assert.match(output, /9 mistakes in the configuration; nothing was changed/);
  assert.doesNotMatch(output, /^\s+at .*:\d+:\d+\)?$/m, "a stack trace");
  const made = (await stack.resources()).filter(({ type }) => type !== "pulumi:pulumi:Stack");
  assert.deepEqual(made, []);
  await stack.destroy();
});
