import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { firewallScript } from "../../components/layers/firewall";
import { sshScript } from "../../components/layers/ssh";
import { until } from "./attacker";
import { fingerprint, host } from "./hostTest";
import { Keys } from "./keys";

const hostTest = host("ssh", { gateway: false });

/** Applies a properly signed script that must fail for this reason and leave the host as it was. */
function putsBack(name: string, layer: string, script: string, reason: RegExp, prepare = "true", tidy = "true"): void {
  hostTest(name, async (stack) => {
    const keys = await Keys.of(stack);
    await stack.root(prepare);
    try {
      const before = await fingerprint(stack);
      const { text } = keys.envelope(layer, script);
      const result = await keys.apply(text);
      assert.equal(result.exitCode, 91, result.all);
      assert.match(result.all, reason);
      assert.equal(await fingerprint(stack), before);
      assert.equal((await stack.ssh("true")).exitCode, 0);
    } finally {
      await stack.root(tidy);
    }
  });
}

const ssh = sshScript({ primaryUser: "ops", sshPorts: [22022] });
putsBack(
  "the real ssh layer with a misspelt option is refused before it counts",
  "ssh",
  ssh.replaceAll(/MaxAuthTries (?=\d)/g, "MaxAuthTrys "),
  /Bad configuration option: MaxAuthTrys[^]*sshd refuses the new configuration/,
);
putsBack(
  "a layer that would drop the primary user from AllowUsers is put back",
  "ssh",
  ssh.replaceAll("AllowUsers ops", "AllowUsers nobody"),
  /sshd's allowusers is 'nobody', not 'ops'/,
);
putsBack(
  "a sudoers syntax error is refused",
  "e2e-sudoers",
  `put 440 root:root /etc/sudoers.d/010_ops-limited <<<'ops ALL=(ALL NOPASSWD'
   visudo -c -f "$(staged /etc/sudoers.d/010_ops-limited)"
   commit`,
  /syntax error/,
);
putsBack(
  "no mirror answers apt: the reason is told, and nothing stays installed",
  "e2e-apt",
  "put 644 root:root /etc/e2e-apt <<<new\ncommit\npackages tree",
  /Failed to fetch http:\/\/127\.0\.0\.1:9\/[^]*apt-get update failed/,
  `mkdir /root/apt; mv /etc/apt/sources.list.d /var/lib/apt/lists /root/apt/; mkdir /etc/apt/sources.list.d /var/lib/apt/lists
   [[ ! -e /etc/apt/sources.list ]] || mv /etc/apt/sources.list /root/apt/
   echo 'deb [trusted=yes] http://127.0.0.1:9 none main' >/etc/apt/sources.list.d/e2e.list`,
  `rm -r /etc/apt/sources.list.d /var/lib/apt/lists; mv /root/apt/sources.list.d /etc/apt/; mv /root/apt/lists /var/lib/apt/
   [[ ! -e /root/apt/sources.list ]] || mv /root/apt/sources.list /etc/apt/
   rmdir /root/apt`,
);

/** The programs that an apply changes files with. */
const tools = ["mv", "cp", "install", "sync", "rm"];
const arm = `mkdir -p /run/e2e /etc/e2e
for tool in ${tools.join(" ")}; do
  cp -a "/usr/bin/$tool" "/run/e2e/$tool.real"
  cat >"/run/e2e/$tool" <<TOOL
#!/bin/bash
if [[ -e /run/e2e/armed && \\$(</proc/self/cgroup) == *run-*.service* ]]; then
  calls=\\$((\\$(</run/e2e/calls) + 1))
  echo "\\$calls" >/run/e2e/calls
  [[ \\$calls != "\\$(</run/e2e/armed)" ]] || { [[ ! -e /run/e2e/power ]] || touch /run/e2e/off; kill -KILL 0; }
  [[ ! -e /run/e2e/off ]] || kill -KILL 0
fi
exec /run/e2e/$tool.real "\\$@"
TOOL
  chmod 755 "/run/e2e/$tool"
done
for tool in ${tools.join(" ")}; do mount --bind "/run/e2e/$tool" "/usr/bin/$tool"; done`;
const disarm = `for tool in ${tools.join(" ")}; do umount "/usr/bin/$tool"; done; rm -r /run/e2e /etc/e2e`;

hostTest(
  "SIGKILL or a power cut at each step of an apply: all old or all new at once or at boot, and the next run works",
  async (stack) => {
    const keys = await Keys.of(stack);
    const own = randomUUID();
    // Two files change, one goes, one comes: each version n is a, b and c<n> with the content n.
    const version = (n: number) => `a:${String(n)}\nb:${String(n)}\nc${String(n)}:${String(n)}\na\nb\nc${String(n)}`;
    const look = "{ cd /etc/e2e; grep -H . *; ls -A; }";
    await stack.root(`${arm}; for file in a b c0; do echo 0 >/etc/e2e/$file; done`);
    const outcomes = { old: 0, new: 0 };
    try {
      let isThrough = false;
      for (let now = 0; !isThrough; now++) {
        const [old, next] = [String(now), String(now + 1)];
        const script = `# ${own}
for file in a b c${next}; do put 644 root:root /etc/e2e/$file <<<${next}; done
guard /etc/e2e/c${old}; rm -f /etc/e2e/c${old}
commit
`;
        const { text } = keys.envelope("e2e-kill", script);
        // With "power" nothing of the unit runs any more, as after a power cut; without, the unit's end must mend it.
        for (const mode of ["power", "kill"] as const) {
          await stack.root(`echo 0 >/run/e2e/calls; echo ${next} >/run/e2e/armed; touch /run/e2e/${mode}`);
          const result = await keys.apply(text);
          const found = await stack.root(`rm -f /run/e2e/{armed,power,kill,off}
            ${mode === "power" ? "/usr/local/vps-scripts/receiver.sh recover" : ""}
            ${look}; ls -A /var/lib/monoclaw/journal`);
          const outcome = found.trim() === version(now) ? "old" : "new";
          const wanted = version(outcome === "old" ? now : now + 1);
          assert.equal(found.trim(), wanted, `half a layer after a ${mode} at call ${next}: ${result.all}`);
          outcomes[outcome]++;
          isThrough = result.exitCode === 0;
          if (outcome === "new") {
            break;
          }
        }
        const again = await keys.apply(text);
        assert.equal(again.exitCode, 0, `after a kill at call ${next}: ${again.all}`);
        assert.equal((await stack.root(look)).trim(), version(now + 1));
        assert.ok(now < 80, "the apply never got through");
      }
      assert.ok(outcomes.old > 16 && outcomes.new > 1, JSON.stringify(outcomes));
    } finally {
      await stack.root(disarm);
    }
  },
);

hostTest("No lock-out: a firewall that closes the way in is put back when nobody confirms it", async (stack) => {
  const keys = await Keys.of(stack);
  const before = await stack.root("ufw status verbose; ufw show added");
  const script = firewallScript({ open: [{ reach: "public", port: 22099 }] }).replace(
    /confirm_within \d+/,
    "confirm_within 3",
  );
  const { text } = keys.envelope("firewall", script);
  const result = await keys.apply(text);
  assert.equal(result.exitCode, 0, result.all);
  assert.doesNotMatch(await stack.root("ufw status"), /22022/);
  const cut = await stack.ssh("true", { args: ["-o", "ConnectTimeout=1"] });
  assert.equal(cut.exitCode, 255, "the way in was never closed, so this test shows nothing");
  await until("the change is put back", 20, async () => (await stack.root("ls -A /var/lib/monoclaw/journal")) === "");
  assert.equal(await stack.root("ufw status verbose; ufw show added"), before);
  assert.equal((await stack.ssh("true")).exitCode, 0);
  await stack.root("rm /var/lib/monoclaw/unconfirmed/firewall");
});
