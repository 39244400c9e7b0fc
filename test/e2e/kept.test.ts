import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostGroup } from "../../lab/host/driver";
import { killGroup, processesOf, signal } from "../../lab/host/groups";
import { ls } from "../../lab/client";
import { instanceOf } from "../../lab/instances";
import { cloud } from "./attacker";
import { fingerprint, stackTest } from "./hostTest";
import { asNew, keptHost, type Start } from "./kinds";
import { folder, instance, type TestStack } from "./stack";

const start: Start = { gateway: false };

/** What tests that go wrong can do to a host that others need after them. */
const damages: Readonly<Record<string, (stack: TestStack, id: number) => Promise<unknown>>> = {
  "its power is off": (_stack, id) => cloud("POST", `servers/${String(id)}/actions/poweroff`),
  "its processes are stopped": (_stack, id) => {
    const processes = processesOf(hostGroup(instanceOf(instance), id));
    assert.ok(processes.length > 10);
    for (const { pid } of processes) signal(pid, "SIGSTOP");
    return Promise.resolve();
  },
  "its files are destroyed, and the stack's state": async (stack) => {
    await stack.root("rm -rf /etc/ssh /etc/monoclaw /usr/lib/systemd /opt/openclaw");
    writeFileSync(join(folder, `pulumi/.pulumi/stacks/monoclaw/${stack.name}.json`), "{");
  },
  "it is deleted, and its firewall": async (_stack, id) => {
    await cloud("DELETE", `servers/${String(id)}`);
    const { firewalls } = await cloud<{ firewalls: { id: number }[] }>("GET", "firewalls");
    for (const firewall of firewalls) await cloud("DELETE", `firewalls/${String(firewall.id)}`);
  },
  "the lab's daemon is killed": () => killGroup(`${instanceOf(instance).group}-daemon`),
};

let before: string | undefined;

for (const [damage, harm] of Object.entries(damages)) {
  stackTest(
    `a kept host is as new for the next file, though ${damage}`,
    () => keptHost("ssh", start),
    async (stack) => {
      before ??= await fingerprint(stack);
      const [server] = await ls(instance);
      assert.ok(server !== undefined);
      await harm(stack, server.id);
      const again = await asNew("ssh", start);
      assert.equal(await fingerprint(again), before);
      assert.equal((await again.ssh("id -un")).stdout.trim(), "ops");
    },
  );
}

stackTest(
  "a kept host after all that: preview shows no change",
  () => asNew("ssh", start),
  async (stack) => {
    const preview = await stack.pulumi("preview", "--expect-no-changes");
    assert.equal(preview.exitCode, 0, preview.all);
  },
);
