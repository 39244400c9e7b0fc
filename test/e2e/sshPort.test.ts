import assert from "node:assert/strict";
import { inFabric } from "../../lab/host/network";
import { instanceOf } from "../../lab/instances";
import { until } from "./attacker";
import { cloudRules } from "./cloudRules";
import { host } from "./hostTest";
import { instance, type TestStack } from "./stack";

const hostTest = host("ssh");

const [old, next] = [22022, 2222];

/** The ports that an operator gets in by. */
async function reachable(stack: TestStack): Promise<number[]> {
  const args = ["-o", "ConnectTimeout=2"];
  const tried = [old, next].map(async (port) =>
    (await stack.ssh("true", { port, args })).exitCode === 0 ? [port] : [],
  );
  return (await Promise.all(tried)).flat();
}

/** Where the ports stand: the cloud's firewall, ufw, sshd, the jail, and what the audit compares with. */
async function said(stack: TestStack): Promise<Record<string, string>> {
  const lines = await stack.root(`set -euo pipefail
    sorted() { sort -nru | paste -sd,; }
    ufw show added | sed -n 's/^ufw allow \\(.*\\)\\/tcp$/\\1/p' | sorted
    ss -Hltnp | awk '/"sshd"/ {n = split($4, part, ":"); print part[n]}' | sorted
    fail2ban-client get sshd action nftables-multiport port | tr , '\\n' | sorted
    sed -n 's/^sshPorts=//p' /etc/monoclaw/expected | tr , '\\n' | sorted`);
  const [ufw = "", sshd = "", jail = "", audit = ""] = lines.trim().split("\n");
  return { cloud: (await cloudRules(stack.labName())).join(","), ufw, sshd, jail, audit };
}

const everywhere = (ports: string) => ({ cloud: ports, ufw: ports, sshd: ports, jail: ports, audit: ports });

/** Blocks or opens the new port on the way from the operator to the host, where no layer and no cloud firewall is. */
async function way(state: "blocked" | "open"): Promise<void> {
  const table = `table inet e2e\ndelete table inet e2e\n`;
  const block = `table inet e2e { chain forward { type filter hook forward priority -10; tcp dport ${String(next)} reject with tcp reset; }; }\n`;
  await inFabric(instanceOf(instance), ["nft", "-f", "-"], state === "blocked" ? table + block : table);
}

/** `up` while the new port is blocked; the time until the revert is cut short. */
async function blockedUp(stack: TestStack): Promise<string> {
  const layers = ["ssh", "firewall"];
  const failing = stack.failingUp("--skip-preview");
  failing.catch(() => undefined); // awaited below, but an assertion before that may fail first
  const pending = layers.map((layer) => `-e /var/lib/monoclaw/journal/${layer}/pending`).join(" && ");
  await until("both changes wait", 240, async () => (await stack.tryRoot(`[[ ${pending} ]]`)).exitCode === 0);
  for (const layer of layers) {
    const timer = await stack.root(
      `systemctl show monoclaw-revert-${layer}.timer -p TimersMonotonic -p TimersCalendar`,
    );
    assert.match(timer, /^TimersMonotonic=\{ OnActiveUSec=2min ;/m);
    assert.doesNotMatch(timer, /^TimersCalendar=./m, "a clock that somebody sets");
  }
  assert.deepEqual(await reachable(stack), [old], "the new port isn't blocked, so this test shows nothing");
  await stack.root(`systemctl start ${layers.map((layer) => `monoclaw-revert-${layer}.service`).join(" ")}`);
  return failing;
}

hostTest(
  "New SSH port: blocked on the way it is put back, and both ways out work; then the old one goes",
  async (stack) => {
    assert.deepEqual(await said(stack), everywhere(String(old)));
    try {
      await way("blocked");
      // The new one alone: nobody can knock there, and nothing is lost by it.
      stack.configure({ "monoclaw:sshPort": next });
      await stack.failingUp("--skip-preview");
      assert.deepEqual(await said(stack), { ...everywhere(String(old)), cloud: String(next) });

      stack.configure({ "monoclaw:previousSshPort": old });
      const { all } = await stack.pulumi("preview", "--diff");
      assert.match(all, /^.*\+ Port 2222$/m);
      assert.match(all, /^.*\+.*ufw denies all that comes in but 2222\/tcp and 22022\/tcp/m);
      const told = await blockedUp(stack);
      assert.match(told, /nobody came in by the new way in time, so layer ssh was put back/);
      assert.match(
        told,
        /open it there and run pulumi up again. To go back instead: pulumi config set monoclaw:sshPort/,
      );
      assert.deepEqual(await reachable(stack), [old]);
      assert.deepEqual(await said(stack), { ...everywhere(String(old)), cloud: "22022,2222" });

      // The way out back.
      stack.configure({ "monoclaw:sshPort": undefined, "monoclaw:previousSshPort": undefined });
      await stack.up();
      assert.deepEqual(await said(stack), everywhere(String(old)));
      assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);

      // The way out forward.
      stack.configure({ "monoclaw:sshPort": next, "monoclaw:previousSshPort": old });
      await blockedUp(stack);
    } finally {
      await way("open");
    }
    // A session that is open since before the move.
    const session = stack.ssh("until [[ -e moved ]]; do sleep 0.2; done; rm moved; echo still here");
    const isOpen = async () => (await stack.tryRoot("pgrep -u ops -f 'sleep 0.2'")).exitCode === 0;
    await until("the session is open", 20, isOpen);
    await stack.up();
    assert.deepEqual(await reachable(stack), [old, next]);
    assert.deepEqual(await said(stack), everywhere("22022,2222"));

    stack.configure({ "monoclaw:previousSshPort": undefined });
    await stack.up();
    assert.deepEqual(await reachable(stack), [next]);
    assert.deepEqual(await said(stack), everywhere(String(next)));
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
    await stack.root("touch /home/ops/moved");
    assert.equal((await session).stdout, "still here", "the change of the port ended a session");

    // Undone by the same two steps. The old one is where other tests knock.
    stack.configure({ "monoclaw:sshPort": old, "monoclaw:previousSshPort": next });
    await stack.up();
    assert.deepEqual(await reachable(stack), [old, next]);
  },
);
