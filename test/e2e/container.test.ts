import assert from "node:assert/strict";
import { ls } from "../../lab/client";
import { cloud, until } from "./attacker";
import { host } from "./hostTest";
import { instance, type TestStack } from "./stack";

const hostTest = host("ssh");

/** Boots the host again as a container with or without namespaces and BPF of its own. */
async function reboot(stack: TestStack, restricted: boolean): Promise<void> {
  const host = (await ls(instance)).find(({ name }) => name === stack.labName());
  assert.ok(host !== undefined);
  const path = `servers/${String(host.id)}`;
  const { server } = await cloud<{ server: { labels: Record<string, string> } }>("GET", path);
  await cloud("PUT", path, { labels: { ...server.labels, "lab/restricted": String(restricted) } });
  await cloud("POST", `${path}/actions/poweroff`);
  await stack.powerOn();
  await until("the host is up", 60, async () => (await stack.tryRoot("systemctl is-active ssh")).exitCode === 0);
}

/** The findings of monoclaw-security that are no PASS, by row. */
async function findings(stack: TestStack): Promise<{ code: number; rows: Map<string, string> }> {
  const { exitCode, stdout } = await stack.tryRoot("monoclaw-security --json --failed");
  const { rows } = JSON.parse(stdout) as { rows: { row: string; status: string; detail: string }[] };
  return { code: exitCode, rows: new Map(rows.map(({ row, status, detail }) => [row, `${status} ${detail}`])) };
}

const without = "files processes devices users hostname network ports";

/** The gateway's process as the kernel has it: whose it is, its capabilities at most, privileges to gain, system call filter. */
async function process(stack: TestStack): Promise<string> {
  const file = "/proc/$(systemctl show openclaw -p MainPID --value)/status";
  return stack.root(`stat -c %U ${file}; awk '/^(NoNewPrivs|CapBnd|Seccomp):/ {print $2}' ${file}`);
}

hostTest(
  "Container/VPS Compatibility: without namespaces the gateway still has its own user, and the host says what it lacks",
  async (stack) => {
    await reboot(stack, true);
    try {
      // Every layer again, and OpenClaw unpacked again, as on a new host of that kind.
      await stack.root("systemctl stop openclaw; rm -rf /opt/openclaw/*");
      stack.configure({ "monoclaw:serial": Date.now() });
      const output = await stack.up();
      assert.match(output, /openclaw: WARN this container has no namespaces: OpenClaw is unpacked by user nobody/);
      assert.ok(
        output.includes(
          `gateway: WARN this host can't do all of the sandbox; the gateway runs as its own user, but without: ${without}`,
        ),
      );
      assert.match(output, new RegExp(`"WARN container: systemd-nspawn; this host can't do: ${without}\\. `));
      assert.equal(await process(stack), "openclaw\n0000000000000000\n1\n2\n");
      assert.equal(
        await stack.root("find /opt/openclaw ! -user root -o -path '*/.home' | head -n 1; stat -c %a /opt/openclaw/2*"),
        "755\n",
      );
      const unit = (await stack.root("cat /etc/systemd/system/openclaw.service")).split("\n");
      for (const line of ["User=openclaw", "NoNewPrivileges=yes", "SystemCallFilter=@system-service", "MemoryMax=2G"]) {
        assert.ok(unit.includes(line), line);
      }
      assert.ok(!unit.some((line) => /^(ProtectSystem|PrivateUsers|SocketBindDeny)=/.test(line)));

      const { code, rows } = await findings(stack);
      assert.equal(code, 0, JSON.stringify([...rows]));
      const document = ["PrivateTmp", "ProtectHome", "ProtectSystem", "ProtectControlGroups", "ReadWritePaths"];
      for (const key of document) {
        assert.match(rows.get(`service ${key}`) ?? "PASS", /^WARN .*: this container can't do it$/, key);
      }
      assert.equal(rows.get("openclaw security audit"), undefined, "it runs there, too");
    } finally {
      await reboot(stack, false);
    }
    const repaired = await stack.ssh("sudo monoclaw-config repair");
    assert.equal(repaired.exitCode, 0, repaired.all);
    assert.equal(await stack.root("cat /etc/monoclaw/missing-sandbox"), "");
    const whole = await findings(stack);
    assert.equal(whole.code, 0);
    assert.ok(![...whole.rows.values()].some((detail) => detail.includes("can't do")), JSON.stringify([...whole.rows]));
    assert.match(await stack.root("systemd-analyze security --no-pager openclaw | tail -n 1"), /: 1\.[0-3] OK/);
  },
);
