import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { leaveScript } from "../../components/layers/tailnet";
import { openPorts, until } from "./attacker";
import { cloudRules } from "./cloudRules";
import { stepsOn } from "./hostTest";
import { Keys } from "./keys";
import { Laptop } from "./laptop";
import { keptHost } from "./kinds";
import { devices, onTailnet } from "./tailnetStack";

const port = 22022;
const users = ["alice@example.com"];

void test("SSH over the tailnet alone", { timeout: 1_200_000 }, async (t: TestContext) => {
  const stack = await keptHost("tailnet");
  const step = stepsOn(t, stack);
  const configure = (group: Readonly<Record<string, unknown>>) => {
    stack.configure(onTailnet({ users, ...group }));
  };
  /** Where ufw lets SSH in, where the audit expects it, what the cloud's firewall opens. */
  const ways = async () => {
    const [ufw, expected] = (
      await stack.root(`ufw show added | sed -n 's/^ufw //p' | sort | paste -sd,
        sed -n 's/^sshWays=//p' /etc/monoclaw/expected`)
    ).split("\n");
    return { ufw, expected, cloud: (await cloudRules(stack.labName())).join(",") };
  };
  const tailnetRule = `in on tailscale0 to any port ${String(port)} proto tcp`;
  const over = `${String(port)}@tailscale0`;
  const publicRule = `allow ${String(port)}/tcp`;
  const publicOnly = `${publicRule},deny ${tailnetRule}`;
  const both = { ufw: `${publicRule},allow ${tailnetRule}`, cloud: String(port) };
  const passes = async () => {
    const { exitCode, stdout } = await stack.tryRoot("monoclaw-security --json");
    const { fail, rows } = JSON.parse(stdout) as { fail: number; rows: { row: string; status: string }[] };
    assert.deepEqual([exitCode, fail], [0, 0], JSON.stringify(rows.filter(({ status }) => status === "FAIL")));
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
  };

  // The operator's machine: alice's device on the tailnet. What runs the engine here isn't one, so it goes through that.
  let laptop: Laptop | undefined;
  let stranger: Laptop | undefined;
  let address = "";
  const own = (): Laptop => {
    assert.ok(laptop, "there is no laptop");
    return laptop;
  };
  const other = (): Laptop => {
    assert.ok(stranger, "there is no stranger");
    return stranger;
  };
  const scan = (target: string) => openPorts((script, input) => other().try(script, input), target);

  try {
    await step("a host begins public: on the tailnet sshd answers nobody", async () => {
      [laptop, stranger] = await Promise.all([Laptop.make("ssh-alice", "alice"), Laptop.make("ssh-bob", "bob")]);
      configure({ address: await own().address() });
      [address = ""] = (await devices()).find(({ hostname }) => hostname === "gateway")?.addresses ?? [];
      await until("alice reaches the dashboard", 60, () => own().reaches(address, 80));
      assert.equal(await own().reaches(address, port), false);
      assert.deepEqual(await ways(), {
        ufw: publicOnly,
        expected: String(port),
        cloud: String(port),
      });
    });

    await step("the preview shows the step, and if nobody comes in over the tailnet it is put back", async () => {
      // Nothing listens on the laptop yet.
      configure({ address: await own().address(), sshOnly: true, previousSshOnly: false });
      const { all } = await stack.pulumi("preview", "--diff");
      assert.match(all, /^.*\+ .*"ip": \["tcp:80", "tcp:22022"\]/m);
      assert.match(all, /^.*\+.*ufw denies all that comes in but 22022\/tcp from the tailnet and 22022\/tcp/m);
      const failing = stack.failingUp("--skip-preview");
      failing.catch(() => undefined); // awaited below, but the wait may fail first
      const waits =
        "test -e /var/lib/monoclaw/journal/firewall/pending && grep -qs '^act await ' /run/monoclaw/spool.*/envelope";
      await until("the change waits", 240, async () => (await stack.tryRoot(waits)).exitCode === 0);
      assert.equal((await ways()).ufw, both.ufw);
      await stack.root("systemctl start monoclaw-revert-firewall.service");
      const told = await failing;
      assert.match(told, /nobody came in by the new way in time, so layer firewall was put back/);
      assert.match(told, /If the new way is the tailnet, see docs\/tailnet\.md/);
      assert.equal((await ways()).ufw, publicOnly);
      assert.equal(await own().reaches(address, port), false, "the policy lets alice in already, the host doesn't");
      assert.equal((await stack.ssh("true")).exitCode, 0);
    });

    await step("both ways are open; the users of the policy get in, and nobody else", async () => {
      await own().forward(port, address);
      await stack.up();
      assert.deepEqual(await ways(), { ...both, expected: `${over},${String(port)}` });
      assert.equal((await stack.ssh("true")).exitCode, 0);
      assert.equal((await stack.ssh("true", { address: await own().address() })).exitCode, 0);
      assert.equal(await other().reaches(address, port), false);
      await passes();
    });

    await step("then no port is open to the Internet, and the stack goes on over the tailnet", async () => {
      configure({ address: await own().address(), sshOnly: true });
      const { all } = await stack.pulumi("preview", "--diff");
      assert.match(all, /^.*-.*ufw denies all that comes in but 22022\/tcp from the tailnet and 22022\/tcp/m);
      assert.match(all, /^.*\+.*ufw denies all that comes in but 22022\/tcp from the tailnet'?$/m);
      await stack.up();
      assert.deepEqual(await ways(), { ufw: `allow ${tailnetRule}`, expected: over, cloud: "" });
      assert.deepEqual(await scan(await stack.address()), []);
      assert.notEqual((await stack.ssh("true", { args: ["-o", "ConnectTimeout=3"] })).exitCode, 0);
      const { sshCommand } = (await stack.outputs()) as { sshCommand: Record<string, string> };
      assert.equal(sshCommand["gateway"], `ssh -p 22022 ops@${await own().address()}`);
      assert.equal((await stack.ssh("sudo -n monoclaw-status", { address: await own().address() })).exitCode, 0);
      await passes();
      // ufw alone keeps it closed, too.
      await stack.root("ufw status verbose | grep -q 'Default: deny (incoming)'");
    });

    await step(
      "while the tailnet is down, up fails at its first connection and the host goes on as it is",
      async () => {
        await own().run("systemctl stop forward");
        const pid = await stack.root("systemctl show openclaw -p MainPID");
        stack.configure({ "monoclaw:limits": { tasksMax: 321 } });
        assert.match(await stack.failingUp("--skip-preview"), /dial tcp .*: connect: connection refused/);
        assert.equal(await stack.root("systemctl show openclaw -p MainPID"), pid);
        await own().forward(port, address);
        await stack.up();
        assert.equal((await stack.root("systemctl show openclaw -p TasksMax --value")).trim(), "321");
      },
    );

    await step(
      "and back: in over the tailnet, confirmed by the public address; then the tailnet's way is closed",
      async () => {
        configure({ address: await own().address(), sshOnly: false, previousSshOnly: true });
        await stack.up();
        assert.deepEqual(await ways(), { ...both, expected: `${String(port)},${over}` });
        configure({});
        await stack.up();
        assert.deepEqual(await ways(), { ufw: publicOnly, expected: String(port), cloud: String(port) });
        assert.equal((await stack.ssh("true")).exitCode, 0);
        assert.equal(await own().reaches(address, port), false);
        assert.equal(await own().reaches(address, 80), true);
        await passes();
      },
    );

    await step("a host whose stack comes over the tailnet can leave it, after the answer", async () => {
      const keys = await Keys.of(stack);
      // By another name than the tailnet's layer, whose next envelope is the stack's own way out, below.
      const left = await keys.apply(keys.envelope("e2e-leave", leaveScript({ soon: true })).text);
      assert.deepEqual(
        [left.exitCode, left.stdout.split("\n")[0]],
        [0, "e2e-leave: this host leaves its tailnet now"],
        left.all,
      );
      const login = "/usr/local/vps-scripts/tailnet-facts | sed -n 's/^login=//p'";
      await until("the host has left", 60, async () => (await stack.tryRoot(login)).stdout.trim() === "no");
      await stack.destroy();
    });
  } finally {
    await laptop?.destroy();
    await stranger?.destroy();
  }
});
