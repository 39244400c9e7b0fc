import assert from "node:assert/strict";
import execa from "execa";
import { until } from "./attacker";
import { otherClock } from "./auditMutations";
import { fingerprint, host } from "./hostTest";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

/** The lines of monoclaw-status by their names, those marked with ! with the mark. */
async function status(stack: TestStack): Promise<{ code: number; lines: Map<string, string>; seconds: number }> {
  const started = Date.now();
  const { stdout, stderr, exitCode } = await stack.ssh("sudo -n monoclaw-status");
  assert.equal(stderr, "");
  const lines = stdout.split("\n").map((line): [string, string] => {
    const [, mark = "", name = "", text = ""] = /^([! ]) (\w+) +(.*)$/.exec(line) ?? [];
    return [name, mark === "!" ? `! ${text}` : text];
  });
  return { code: exitCode ?? -1, lines: new Map(lines), seconds: (Date.now() - started) / 1000 };
}

/** Breaks something as root for the body, then mends it. */
async function broken(stack: TestStack, fault: string, mend: string, body: () => Promise<void>): Promise<void> {
  await stack.root(`set -e; ${fault}`);
  try {
    await body();
  } finally {
    await stack.root(`set -e; ${mend}`);
  }
}

hostTest("monoclaw-status: one screen in the same order, as the host is", async (stack) => {
  const { code, lines } = await status(stack);
  const { version } = JSON.parse(await stack.root("cat /opt/openclaw/current/node_modules/openclaw/package.json")) as {
    version: string;
  };
  const wanted: [name: string, text: RegExp][] = [
    ["host", /^monoclaw-shared-gateway, Debian GNU\/Linux \d+ \(\w+\), up \d+ /],
    ["gateway", /^active and ready, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+$/],
    ["version", new RegExp(`^OpenClaw ${version.replaceAll(".", "\\.")}, pinned by the stack$`)],
    ["sandbox", /^exposure [01]\.\d OK$/],
    ["memory", /^[\d.]+MiB of 2\.0GiB$/],
    ["firewall", /^active, 22022\/tcp only$/],
    ["bans", /^\d+ now, \d+ since fail2ban started$/],
    [
      "updates",
      /^(! )?(no run yet|last run \d{4}-\d\d-\d\d \d\d:\d\d), security updates pending: (\d+|unknown), reboot: by hand$/,
    ],
    ["tailnet", /^not installed; the dashboard is reachable by an SSH tunnel$/],
    ["applied", /^layer [a-z0-9-]+ at \d{4}-\d\d-\d\d \d\d:\d\d$/],
    ["changes", /^none waits for a confirmation$/],
    ["token", /^the stack's$/],
    ["disk", /^[\d.]+GiB free, \d+% used; inodes (\d+%|unknown) used$/],
    ["clock", /^(synchronised|the machine's that this container runs on)$/],
    ["reboot", /^not needed$/],
  ];
  assert.deepEqual(
    [...lines.keys()],
    wanted.map(([name]) => name),
  );
  for (const [name, text] of wanted) {
    assert.match(lines.get(name) ?? "", text, name);
  }
  assert.equal(code, [...lines.values()].some((text) => text.startsWith("! ")) ? 1 : 0);
});

hostTest("monoclaw-status: what needs attention is marked and is the exit code; all is told at once", async (stack) => {
  const fault = `ufw allow 81/tcp >/dev/null; echo linux-image >/run/reboot-required.pkgs; touch /run/reboot-required
    mkdir /var/lib/monoclaw/journal/ssh; echo x >/var/lib/monoclaw/journal/ssh/pending; mv /etc/monoclaw/expected /run/expected
    sed 's/^sshWays=.*/sshWays=22022,2222/' /run/expected >/etc/monoclaw/expected; systemctl stop fail2ban
    ${otherClock.break}`;
  const mend = `ufw --force delete allow 81/tcp >/dev/null; rm /run/reboot-required /run/reboot-required.pkgs
    rm -r /var/lib/monoclaw/journal/ssh; mv /run/expected /etc/monoclaw/expected; systemctl start fail2ban
    until fail2ban-client status sshd >/dev/null 2>&1; do ((SECONDS < 20)); sleep 0.1; done
    ${otherClock.byHand}`;
  const before = await fingerprint(stack);
  await broken(stack, fault, mend, async () => {
    const { code, lines } = await status(stack);
    assert.equal(code, 1);
    assert.equal(lines.get("firewall"), "! active, open: 22022/tcp 81/tcp; the stack wants 22022/tcp 2222/tcp");
    assert.equal(lines.get("bans"), "! fail2ban gives no answer");
    assert.equal(lines.get("clock"), "! not synchronised; see: timedatectl");
    assert.equal(lines.get("changes"), "! not confirmed yet, and put back if nobody does: ssh; run: pulumi up");
    assert.equal(lines.get("reboot"), "! needed by linux-image");
  });
  assert.equal(await fingerprint(stack), before);
});

hostTest(
  "monoclaw-status: neither a gateway that is down nor tools that hang or are missing hold it up",
  async (stack) => {
    const hang = "printf '#!/bin/sh\\nexec sleep 60\\n'";
    const fault = `systemctl stop openclaw; for tool in ufw fail2ban-client systemd-analyze timedatectl apt-config; do
    ${hang} >/usr/local/sbin/$tool; chmod 755 /usr/local/sbin/$tool; done
    [[ ! -L /usr/bin/tailscale ]] || mv -T /usr/bin/tailscale /usr/bin/.tailscale.e2e
    ${hang} >/usr/bin/tailscale; chmod 755 /usr/bin/tailscale; mv /opt/openclaw/current /opt/openclaw/current.away`;
    const mend = `rm /usr/local/sbin/* /usr/bin/tailscale
    [[ ! -L /usr/bin/.tailscale.e2e ]] || mv -T /usr/bin/.tailscale.e2e /usr/bin/tailscale; mv /opt/openclaw/current.away /opt/openclaw/current; systemctl start openclaw
    until curl -fsS -o /dev/null http://127.0.0.1:18789/startupz 2>/dev/null; do ((SECONDS < 120)); sleep 0.2; done`;
    assert.equal(await stack.root("ls /usr/local/sbin"), "");
    await broken(stack, fault, mend, async () => {
      const { code, lines, seconds } = await status(stack);
      assert.equal(code, 1);
      assert.match(lines.get("gateway") ?? "", /^! inactive; start it: sudo systemctl start openclaw/);
      assert.equal(lines.get("version"), "! OpenClaw is not installed; pulumi up brings it");
      assert.equal(lines.get("firewall"), "! ufw gives no answer");
      assert.equal(lines.get("tailnet"), "! Tailscale gives no answer; to mend it: sudo monoclaw-config repair");
      assert.equal(lines.get("clock"), "unknown: timedatectl gives no answer");
      assert.equal(lines.size, 15);
      assert.ok(seconds < 10, `${String(seconds)} s; each tool may take 2 s, side by side`);
    });
  },
);

/** Has the gateway's service log a line, from within its control group. */
async function logLine(stack: TestStack, text: string): Promise<void> {
  const group = "/sys/fs/cgroup$(systemctl show openclaw -p ControlGroup --value)/cgroup.procs";
  // The journal asks the kernel whose group it is, so whoever logs must live until the journal has the line.
  const there = `journalctl --quiet --unit=openclaw --lines=50 | grep -qF ${text}`;
  const wait = `timeout 20 bash -c 'until ${there}; do sleep 0.1; done'`;
  await stack.root(`echo "$BASHPID" >"${group}"; set -o pipefail; { echo ${text}; ${wait}; } | systemd-cat -t node`);
}

hostTest("monoclaw-logs: the last lines, from a time on, errors only, and following; never a pager", async (stack) => {
  const logs = async (options: string) => (await stack.ssh(`sudo -n monoclaw-logs ${options}`)).stdout.split("\n");
  const [line, error] = [`e2e-${String(Date.now())}`, `e2e-failed-${String(Date.now())}`];
  await logLine(stack, error);
  await logLine(stack, line);
  assert.deepEqual([(await logs("-n 3")).length, (await logs("--since yesterday -n 4")).length], [3, 4]);
  assert.ok((await logs("--since -2min")).some((each) => each.endsWith(`: ${line}`)));
  assert.deepEqual(await logs("--since 2099-01-01"), [""]);
  const errors = await logs("--errors --since -2min");
  assert.deepEqual(
    [errors.some((each) => each.includes(error)), errors.some((each) => each.includes(line))],
    [true, false],
  );
  const wrong = await stack.ssh("sudo -n monoclaw-logs --since nonsense");
  assert.deepEqual([wrong.exitCode, wrong.stdout], [64, ""]);

  const follow = await typedOn(stack, "sudo -n monoclaw-logs -f -n 20");
  try {
    await until("the last line", 20, () => follow.seen().includes(line));
    await stack.root("logger -t node not-the-gateway");
    await logLine(stack, `${line}-next`);
    await until("the next line", 20, () => follow.seen().includes(`${line}-next`));
    assert.doesNotMatch(follow.seen(), /not-the-gateway/);
    follow.type("\x03");
    await until("Ctrl-C ends it", 20, follow.ended);
  } finally {
    await follow.kill();
  }
});

/** A command of the operator's that runs on a terminal. */
async function typedOn(stack: TestStack, command: string) {
  let seen = "";
  const run = execa("ssh", [...(await stack.sshArguments({ args: ["-tt"] })), command], {
    reject: false,
    env: { SSH_AUTH_SOCK: "" },
  });
  run.stdout?.on("data", (data: Buffer) => (seen += data.toString()));
  return {
    seen: () => seen,
    type: (text: string) => run.stdin?.write(text),
    ended: () => run.exitCode !== null,
    result: async () => run,
    /** Breaks the connection. */
    kill: async () => {
      run.kill("SIGKILL");
      await run;
    },
  };
}

const theirs = "OpenClaw's version belongs to the stack: pulumi up";
const stamp = "stat -c %.9Y /var/lib/apt/periodic/unattended-upgrades-stamp || echo 0";

hostTest("monoclaw-update: says what it would do, does it, and whose OpenClaw's version is", async (stack) => {
  const lines = ["reading the package lists", "security updates: none"];
  const check = await stack.ssh("sudo -n monoclaw-update --check");
  assert.deepEqual([check.exitCode, check.stdout.split("\n")], [0, [...lines, theirs]], check.all);
  const before = await stack.root(stamp);
  const update = await stack.ssh("sudo -n monoclaw-update");
  assert.deepEqual([update.exitCode, update.stdout.split("\n")], [0, [...lines, "done", theirs]], update.all);
  assert.notEqual(await stack.root(stamp), before);
});

hostTest("monoclaw-update: goes on when its caller is gone, one at a time, and tells of a failure", async (stack) => {
  // A stand-in that waits until it is told how to end, and says so.
  const standIn = `#!/bin/bash
    echo 'Packages that will be upgraded: libexample1'; read -r code </run/e2e-go; echo "ended $code" >/run/e2e-done; exit "$code"`;
  const program = "/usr/local/sbin/unattended-upgrade";
  await stack.root(`set -e; mkfifo /run/e2e-go; cat >${program}; chmod 755 ${program}`, standIn);
  const start = async () => {
    const run = await typedOn(stack, "sudo -n monoclaw-update");
    await until("the update runs", 60, () => run.seen().includes("security updates: libexample1"));
    return run;
  };
  const go = async (code: number) => stack.root(`timeout 10 bash -c 'echo ${String(code)} >/run/e2e-go'`);
  const over = async () => (await stack.tryRoot("systemctl is-active monoclaw-update.service")).exitCode !== 0;
  try {
    for (const leave of ["Ctrl-C", "a lost connection"]) {
      const run = await start();
      if (leave === "Ctrl-C") {
        run.type("\x03");
        await until("Ctrl-C ends the command", 20, run.ended);
        assert.match(run.seen(), /the update goes on without you/);
      }
      await run.kill();
      const second = await stack.ssh("sudo -n monoclaw-update");
      assert.deepEqual(
        [second.exitCode, second.stderr],
        [75, "another update is under way; wait until it is done"],
        leave,
      );
      assert.match((await status(stack)).lines.get("updates") ?? "", /^(! )?under way now/);
      await go(0);
      await until("the update ends", 20, over);
      assert.equal(await stack.root("cat /run/e2e-done; rm /run/e2e-done"), "ended 0\n", leave);
    }
    const run = await start();
    await go(7);
    assert.equal((await run.result()).exitCode, 1);
    assert.match(run.seen(), /the update failed \(exit code 7\)/);
  } finally {
    await stack.root(`rm -f ${program} /run/e2e-go /run/e2e-done`);
  }
});
