import assert from "node:assert/strict";
import { host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

/** How often anyone has logged in so far. */
async function logins(stack: TestStack): Promise<number> {
  return Number(
    await stack.root("journalctl -t sshd -t sshd-session --no-pager -o cat | grep -c 'Accepted publickey'"),
  );
}

hostTest("right after up, neither preview nor up finds a change, and neither connects to the host", async (stack) => {
  const before = await logins(stack);
  assert.ok(before > 0, "no login was counted at all");
  const preview = await stack.pulumi("preview", "--expect-no-changes");
  assert.equal(preview.exitCode, 0, preview.all);
  const up = await stack.upAsTyped("--expect-no-changes");
  assert.match(up, /unchanged/);
  assert.equal(await logins(stack), before);
});

hostTest(
  "preview --diff shows a changed setting in clear and no secret; up puts it in force, and so it is undone",
  async (stack) => {
    const { seeds } = await Keys.of(stack);
    stack.configure({ "monoclaw:limits": { tasksMax: 150 } });
    const { all } = await stack.pulumi("preview", "--diff");
    assert.match(all, /^.*- TasksMax=100$/m);
    assert.match(all, /^.*\+ TasksMax=150$/m);
    for (const secret of Object.values(seeds)) {
      assert.ok(!all.includes(secret));
    }
    await stack.up();
    assert.equal((await stack.root("systemctl show openclaw -p TasksMax --value")).trim(), "150");

    stack.configure({ "monoclaw:limits": undefined });
    await stack.up();
    assert.equal((await stack.root("systemctl show openclaw -p TasksMax --value")).trim(), "100");
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
  },
);
