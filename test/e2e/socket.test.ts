import assert from "node:assert/strict";
import { sshScript } from "../../components/layers/ssh";
import { until } from "./attacker";
import { host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh", { gateway: false });

const socketUnit = "/etc/systemd/system/ssh.socket.d/monoclaw.conf";
/** What starts sshd at boot. Not by systemctl enable: it brings an alias as well, and systemd may lose the running sshd over it. */
const boot = "/etc/systemd/system/multi-user.target.wants/ssh.service";
const layer = "e2e-ssh";

/** TCP ports that systemd or sshd listens on for SSH, with the program that does. */
async function listening(stack: TestStack): Promise<string[]> {
  const lines = (await stack.root("ss -Hltnp | grep -E '\"(systemd|sshd)\",pid='")).trim().split("\n");
  const found = lines.map((line) => {
    const port = /:(\d+)\s/.exec(line)?.[1] ?? "";
    return `${port} ${line.includes('"systemd",pid=1,') ? "systemd" : "sshd"}`;
  });
  return [...new Set(found)].sort();
}

/** Sends the real ssh layer for these ports under a name of its own; `turn` makes each envelope a new one. */
async function apply(stack: TestStack, sshPorts: readonly number[], turn: string, confirmSeconds?: number) {
  const keys = await Keys.of(stack);
  const script = `# ${turn}\n${sshScript({ primaryUser: "ops", sshPorts })}`;
  const { text, digest } = keys.envelope(
    layer,
    confirmSeconds === undefined
      ? script
      : script.replace(/confirm_within \d+/, `confirm_within ${String(confirmSeconds)}`),
  );
  const result = await keys.apply(text);
  assert.equal(result.exitCode, 0, result.all);
  return { confirm: () => keys.ask("confirm", layer, digest), output: result.all };
}

/** SSH's greeting on a port, asked from the host itself: its firewall has only the stack's port open. */
async function greeting(stack: TestStack, port: number): Promise<string> {
  const { stdout } = await stack.tryRoot(
    `timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/${String(port)}; head -n 1 <&3'`,
  );
  return stdout.trim();
}

hostTest(
  "ssh.socket: the stack's port is the socket's, a change of it is confirmed or put back, a boot keeps it",
  async (stack) => {
    const waiting = () => stack.root("ls -A /var/lib/monoclaw/journal");
    const turn = String(Date.now());
    const before = await stack.root(`cat ${socketUnit} /etc/ssh/sshd_config.d/*.conf`);
    assert.deepEqual(await listening(stack), ["22022 sshd"]);
    try {
      // As Ubuntu 24.04 ships it: sshd is started by the first connection. The unit as it comes says port 22.
      await stack.root(
        `rm ${boot}; systemctl daemon-reload; systemctl stop ssh.service; systemctl enable --now ssh.socket`,
      );
      assert.match(await stack.root("cat /usr/lib/systemd/system/ssh.socket"), /^ListenStream=22$/m);
      assert.deepEqual(await listening(stack), ["22022 systemd"]);
      assert.equal((await stack.ssh("true")).exitCode, 0);

      // A second port: the socket, not sshd, opens it. Nobody confirms, so it closes again.
      const lost = await apply(stack, [22022, 22099], `${turn} lost`, 3);
      assert.match(lost.output, /reloaded sshd/);
      assert.deepEqual(await listening(stack), ["22022 systemd", "22099 systemd"]);
      assert.match(await greeting(stack, 22099), /^SSH-2\.0-OpenSSH/);
      await until("the change is put back", 20, async () => (await waiting()) === "");
      assert.deepEqual(await listening(stack), ["22022 systemd"]);
      assert.equal(await stack.root(`cat ${socketUnit} /etc/ssh/sshd_config.d/*.conf`), before);
      assert.equal(
        (await stack.ssh("true")).exitCode,
        0,
        "the session that started sshd is gone, the next starts it again",
      );

      // Power is lost while it waits: the next boot doesn't open the port that nobody has confirmed.
      await apply(stack, [22022, 22099], `${turn} cut`);
      await stack.reboot();
      assert.equal(await waiting(), "");
      assert.deepEqual(await listening(stack), ["22022 systemd"]);

      // Confirmed, it stays, and a boot brings it again.
      const kept = await apply(stack, [22022, 22099], `${turn} kept`);
      assert.match((await kept.confirm()).all, /confirmed over a new connection/);
      await stack.reboot();
      assert.deepEqual(await listening(stack), ["22022 systemd", "22099 systemd"]);
      assert.equal((await stack.ssh("true")).exitCode, 0);
      assert.match(await greeting(stack, 22099), /^SSH-2\.0-OpenSSH/);

      const back = await apply(stack, [22022], `${turn} back`);
      assert.equal((await back.confirm()).exitCode, 0);
      assert.deepEqual(await listening(stack), ["22022 systemd"]);
    } finally {
      await stack.root(`systemctl disable --now ssh.socket; systemctl stop ssh.service
      ln -s /usr/lib/systemd/system/ssh.service ${boot}; systemctl daemon-reload; systemctl start ssh.service
      rm -f /var/lib/monoclaw/{applied,envelopes,unconfirmed}/${layer}; sed -i '/^${layer}$/d' /var/lib/monoclaw/order`);
    }
    assert.equal(await stack.root(`cat ${socketUnit} /etc/ssh/sshd_config.d/*.conf`), before);
    assert.deepEqual(await listening(stack), ["22022 sshd"]);
  },
);
