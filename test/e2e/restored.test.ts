import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { until } from "./attacker";
import { fingerprint, host } from "./hostTest";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const tasksMax = async (stack: TestStack) =>
  Number((await stack.root("systemctl show openclaw -p TasksMax --value")).trim());
const generation = async (stack: TestStack) => Number(await stack.root("cat /var/lib/monoclaw/generation"));
const limit = () => ({ tasksMax: randomInt(200, 1000) });
const healthy = async (stack: TestStack) =>
  (await stack.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/startupz")).trim() === "200";

hostTest(
  "an old state of the stack is put back: up is refused with the remedy, the host goes on as it is, and the remedy works",
  async (stack) => {
    const now = await generation(stack);
    const old = stack.plainState();
    stack.configure({ "monoclaw:generation": now + 1, "monoclaw:limits": limit() });
    await stack.up();
    const newest = await tasksMax(stack);
    const before = await fingerprint(stack);

    // Somebody restores a back-up of state and configuration, and goes on from there.
    stack.restoreState(old);
    stack.configure({ "monoclaw:generation": now, "monoclaw:limits": limit() });
    const refused = await stack.failingUp();
    assert.match(refused, new RegExp(`generation ${String(now)} is lower than this host's ${String(now + 1)}`));
    assert.match(refused, new RegExp(`pulumi config set monoclaw:generation ${String(now + 2)}, then pulumi up`));
    assert.equal(await fingerprint(stack), before);
    assert.equal(await tasksMax(stack), newest);
    assert.ok(await healthy(stack));
    assert.equal((await stack.ssh("true")).exitCode, 0);

    stack.configure({ "monoclaw:generation": now + 2 });
    await stack.up();
    assert.notEqual(await tasksMax(stack), newest);
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
  },
);

hostTest("two `up` of one stack at once: one wins, the other says so and changes nothing", async (stack) => {
  stack.configure({ "monoclaw:limits": limit() });
  const first = stack.up();
  first.catch(() => undefined); // awaited below, but the wait may fail first
  await until("the first up has begun", 60, () => stack.isLocked());
  assert.match(await stack.failingUp(), /the stack is currently locked by 1 lock/);
  assert.match(await first, /Resources:\n/);
  assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
});
