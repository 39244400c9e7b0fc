import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { until } from "./attacker";
import { host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const exists = (stack: TestStack, path: string) => async () => (await stack.tryRoot(`test -e ${path}`)).exitCode === 0;
const waiting = (stack: TestStack) =>
  stack.root("find /var/lib/monoclaw/journal /run/monoclaw -mindepth 1 ! -name 'lock.*'");

/** A layer that changes a file and then waits; each call gives a new one. */
const slow = () => `# ${randomUUID()}
put 600 root:root /etc/e2e-slow <<<new
commit
touch /run/e2e-began
until [[ -e /run/e2e-go ]]; do sleep 0.1; done
note 'done'
`;

hostTest("a run whose messenger is ended isn't taken for a success, and the layer completes", async (stack) => {
  const keys = await Keys.of(stack);
  const messengers = {
    "systemd-run": "pgrep -x systemd-run",
    "monoclaw-config": "pgrep -f '^[^ ]*bash /usr/local/bin/monoclaw-config apply$'",
    sudo: "pgrep -x sudo",
  };
  await stack.root("rm -f /run/e2e-* /etc/e2e-slow");
  for (const [name, find] of Object.entries(messengers)) {
    const { text } = keys.envelope("e2e-slow", slow());
    const pending = keys.apply(text);
    try {
      await until("the layer runs", 20, exists(stack, "/run/e2e-began"));
      await stack.root(`kill -TERM $(${find})`);
    } finally {
      await stack.root("touch /run/e2e-go");
    }
    // SSH waits for the layer, which holds the channel open.
    const result = await pending;
    assert.notEqual(result.exitCode, 0, `${name}: ${result.all}`);
    await until(`the layer is done without ${name}`, 20, async () => (await waiting(stack)) === "");
    assert.equal(await stack.root("cat /etc/e2e-slow"), "new\n");
    const again = await keys.apply(text);
    assert.equal(again.exitCode, 0, again.all);
    await stack.root("rm /run/e2e-began /run/e2e-go /etc/e2e-slow");
  }
});

hostTest(
  "a reboot in the middle of a layer: no success is told, it is put back, and the next run works",
  async (stack) => {
    const keys = await Keys.of(stack);
    // Of the gateway nothing is asked here, and it takes 10 s of a processor at each boot.
    await stack.root("rm -f /run/e2e-* /etc/e2e-slow; systemctl disable -q --now openclaw");
    for (let turn = 0; turn < 3; turn++) {
      const { text } = keys.envelope("e2e-slow", slow());
      const pending = keys.apply(text);
      await until("the layer runs", 20, exists(stack, "/run/e2e-began"));
      assert.equal(await stack.root("cat /etc/e2e-slow"), "new\n");
      await stack.reboot();
      const result = await pending;
      assert.notEqual(result.exitCode, 0, result.all);
      assert.equal(await exists(stack, "/etc/e2e-slow")(), false, "half a layer is left");
      assert.equal(await stack.root("ls -A /var/lib/monoclaw/journal"), "");
      await stack.root("touch /run/e2e-go");
      const again = await keys.apply(text);
      assert.equal(again.exitCode, 0, again.all);
      await stack.root("rm /run/e2e-began /run/e2e-go /etc/e2e-slow");
    }
    await stack.root("systemctl enable -q --now openclaw");
  },
);

hostTest("a reboot in the middle of an `up`: it fails, the next one converges", async (stack) => {
  const tasksMax = randomInt(200, 1000);
  stack.configure({ "monoclaw:limits": { tasksMax } });
  const pending = stack.failingUp();
  pending.catch(() => undefined); // awaited below, but the wait may fail first
  await until("the gateway's layer runs", 120, exists(stack, "/var/lib/monoclaw/journal/gateway"));
  await stack.reboot();
  await pending;
  assert.equal(await stack.root("ls -A /var/lib/monoclaw/journal"), "");
  await stack.up();
  assert.equal((await stack.root("systemctl show openclaw -p TasksMax --value")).trim(), String(tasksMax));
  const { audit } = (await stack.outputs()) as { audit: Record<string, string[]> };
  assert.match(audit["gateway"]?.at(-1) ?? "", / 0 fail$/);
  assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
});
