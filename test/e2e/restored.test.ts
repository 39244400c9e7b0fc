import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { until } from "./attacker";
import { fingerprint, host } from "./hostTest";
import { clockVariables } from "./otherClock";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const tasksMax = async (stack: TestStack) =>
  Number((await stack.root("systemctl show openclaw -p TasksMax --value")).trim());
const limit = () => ({ tasksMax: randomInt(200, 1000) });
/** The layers that a run of the engine sent, by its output. */
const sentLayers = (output: string) =>
  [...output.matchAll(/ gateway-(\S+)-apply updated/g)].map(([, layer = ""]) => layer).sort();
const healthy = async (stack: TestStack) =>
  (await stack.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/startupz")).trim() === "200";

hostTest(
  "an old state of the stack is put back: up works and sends only what differs; with a clock that was set back it is refused with the remedy",
  async (stack) => {
    const old = stack.plainState();
    stack.configure({ "monoclaw:limits": limit() });
    await stack.up();
    const newest = await tasksMax(stack);
    const before = await fingerprint(stack);

    // Somebody restores a back-up of state and configuration, and goes on from there; first where the clock is a year behind.
    stack.restoreState(old);
    const { tasksMax: wanted } = limit();
    stack.configure({ "monoclaw:limits": { tasksMax: wanted } });
    const clock = await clockVariables("-1y");
    const { exitCode, all: refused } = await stack.pulumiWith(
      clock,
      "up",
      "--yes",
      "--non-interactive",
      "--skip-preview",
    );
    assert.notEqual(exitCode, 0);
    assert.match(
      refused,
      /this host has a later version of layer (gateway|management): serial \d{13}, this one has \d{13}/,
    );
    assert.match(
      refused,
      /the clock where pulumi runs was set back, or is wrong: set it right and run pulumi up again/,
    );
    assert.match(refused, /run: pulumi config set monoclaw:serial \d{13}, then pulumi up/);
    assert.equal(await fingerprint(stack), before);
    assert.equal(await tasksMax(stack), newest);
    assert.ok(await healthy(stack));

    const { all } = await stack.pulumi("up", "--yes", "--non-interactive", "--skip-preview");
    assert.deepEqual(sentLayers(all), ["audit", "gateway", "management"], all);
    assert.equal(await tasksMax(stack), wanted);
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
