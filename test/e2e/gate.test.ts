import assert from "node:assert/strict";
import { host } from "./hostTest";
import { Keys } from "./keys";

const hostTest = host("ssh");

/** What no layer mends, so that it is still there when the gate looks. */
const broken = "useradd -o -u 0 -M -N toor";
const mend = "sed -i /^toor:/d /etc/{passwd,shadow,subuid,subgid}";

hostTest(
  "Security Audit: the gate fails on a broken host, names the row, and passes once it is mended",
  async (stack) => {
    const keys = await Keys.of(stack);
    const envelope = keys.envelopes.get("audit") ?? "";
    await stack.root(broken);
    try {
      const refused = await keys.apply(envelope);
      assert.equal(refused.exitCode, 91, refused.all);
      assert.match(refused.all, /FAIL accounts with uid 0: is 'root,toor', must be 'root'/);
      assert.match(refused.all, /the host isn't as the security document says.*monoclaw-config repair/);
    } finally {
      await stack.root(mend);
    }
    const passed = await keys.apply(envelope);
    assert.equal(passed.exitCode, 0, passed.all);
    assert.match(passed.stdout, /^audit: \d+ pass, \d+ warn, 0 fail$/m);
  },
);

hostTest(
  "Security Audit: `up` itself fails and names the row; mended, it succeeds, and `audit` is its summary",
  async (stack) => {
    // Sent again as it is.
    const found = (await stack.resources()).find(({ urn }) => urn.endsWith("::gateway-audit-apply"));
    await stack.root(broken);
    try {
      const output = await stack.failingUp("--replace", found?.urn ?? "");
      assert.match(output, /the host isn't as the security document says: accounts with uid 0: is 'root,toor'/);
    } finally {
      await stack.root(mend);
    }
    await stack.up("--replace", found?.urn ?? "");
    const { audit } = (await stack.outputs()) as { audit: Record<string, string[]> };
    assert.match(audit["gateway"]?.at(-1) ?? "", /^\d+ pass, 4 warn, 0 fail$/);
    assert.ok(audit["gateway"]?.some((line) => line.startsWith("WARN tailscale: ")));
  },
);
