import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { ls } from "../../lab/client";
import { Attacker, until } from "./attacker";
import { disturbingTest } from "./hostTest";
import { instance, operatorKey, type TestStack } from "./stack";

let made: Promise<Attacker> | undefined;
const attacker = () => (made ??= Attacker.make("e2e-fail2ban"));
after(async () => {
  await (await made)?.destroy();
});

const banned = async (stack: TestStack) =>
  (await stack.root("fail2ban-client get sshd banip")).split(/\s+/).filter((address) => address !== "");

/** sshd makes an address wait after failures (PerSourcePenalties in OpenSSH 9.8 and later): 15 s at first. */
const coolDown = 60;

disturbingTest(
  "Intrusion Prevention: five failed logins of any kind shut an address out, on the SSH port; ignoreip is spared",
  async (stack) => {
    const other = await attacker();
    const host = (await ls(instance)).find(({ name }) => name === stack.labName());
    const own4 = (await other.run("ip -4 -o address show eth0 scope global")).stdout.match(/inet ([\d.]+)/)?.[1];
    const prefix = (await other.run("ip -6 -o address show eth0 scope global")).stdout.match(/inet6 (\S+)::1/)?.[1];
    assert.ok(host?.ipv4 !== undefined && host.ipv6 !== undefined && own4 !== undefined && prefix !== undefined);
    const [unknown, root, ignored] = [`${prefix}::a`, `${prefix}::b`, `${prefix}::c`];
    await other.run("umask 077; cat >/root/key", readFileSync(operatorKey, "utf8"));
    await other.run("rm -f /root/wrong; ssh-keygen -q -t ed25519 -N '' -f /root/wrong");
    for (const address of [unknown, root, ignored]) {
      await other.run(`ip -6 address add ${address}/128 dev eth0 nodad`);
    }
    const operator = (await stack.ssh("echo $SSH_CONNECTION")).stdout.split(" ")[0] ?? "";
    stack.configure({ "monoclaw:fail2ban": { ignoreip: [operator, `${prefix}::c/128`] } });
    await stack.up();

    /** A login from one of the attacker's addresses. */
    const login = (from: string, user: string, key: string) =>
      `ssh -p 22022 -b ${from} -i ${key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=3 ${user}@${from.includes(":") ? String(host.ipv6) : String(host.ipv4)} true`;
    /** Five logins that sshd itself refuses; what it drops unseen while an address has to wait doesn't count. */
    const fiveTimes = async (from: string, user: string, key: string) => {
      const script = `failed=0; end=$((SECONDS + ${String(coolDown)}))
        until ((failed == 5 || SECONDS > end)); do
          if [[ $(${login(from, user, key)} 2>&1) == *'Permission denied (publickey)'* ]]; then ((++failed)); else sleep 0.5; fi
        done; echo $failed`;
      assert.equal((await other.run(script)).stdout, "5\n", `${user} from ${from}`);
    };
    /** fail2ban lists a ban before it has told the kernel of it. */
    const inForce = (addresses: readonly string[]) => async () => {
      const { stdout } = await stack.tryRoot("nft list table inet f2b-table");
      return addresses.every((address) => stdout.includes(address));
    };
    const tenWrongThenRight = async () => {
      for (let count = 0; count < 10; count++) {
        assert.equal((await stack.ssh("true", { user: "opps" })).exitCode, 255);
      }
      await until("the operator gets in", coolDown, async () => (await stack.ssh("true")).exitCode === 0);
    };
    try {
      await Promise.all([
        fiveTimes(own4, "ops", "/root/wrong"),
        fiveTimes(unknown, "nosuchuser", "/root/wrong"),
        fiveTimes(root, "root", "/root/key"),
        fiveTimes(ignored, "ops", "/root/wrong"),
        tenWrongThenRight(),
      ]);
      const shutOut = [own4, unknown, root].sort();
      await until("the bans", 20, async () => (await banned(stack)).sort().join() === shutOut.join());
      await until("the kernel's sets", 20, inForce(shutOut));
      const sixth = async (from: string) => (await other.run(login(from, "ops", "/root/key"))).stderr;
      for (const address of shutOut) {
        assert.match(await sixth(address), /Connection refused/, address);
      }
      const rules = await stack.root("nft list table inet f2b-table; fail2ban-client status sshd");
      assert.match(rules, /tcp dport 22022 ip6? s?addr/);
      for (const address of shutOut) {
        assert.equal(rules.split(address).length, 3, `${address} stands in the kernel's set and in the jail's list`);
      }
      assert.equal((await other.run(login(ignored, "ops", "/root/key"))).exitCode, 0, "the ignored address");

      await stack.root("systemctl restart fail2ban");
      const jail = async () => (await stack.tryRoot("fail2ban-client status sshd")).exitCode === 0;
      await until("the jail is back", 20, jail);
      await until("the bans are back", 20, async () => (await banned(stack)).sort().join() === shutOut.join());
      await until("the kernel's sets are back", 20, inForce(shutOut));
      assert.match(await sixth(own4), /Connection refused/);
      await stack.root(`fail2ban-client set sshd unbanip ${own4}`);
      assert.equal((await other.run(login(own4, "ops", "/root/key"))).exitCode, 0, "after unbanip");
    } finally {
      // ignoreip stays: to go back would need a new generation.
      await stack.root("fail2ban-client unban --all");
    }
  },
);
