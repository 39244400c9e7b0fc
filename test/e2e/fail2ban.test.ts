import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { ls } from "../../lab/client";
import { Attacker, until } from "./attacker";
import { addressOf, banned, coolDown, failFiveTimes, inForce, loginCommand, prefixOf } from "./bans";
import { host } from "./hostTest";
import { instance, operatorKey } from "./stack";

const hostTest = host("ssh", { gateway: false });

let made: Promise<Attacker> | undefined;
const attacker = () => (made ??= Attacker.make("e2e-fail2ban"));
after(async () => {
  await (await made)?.destroy();
});

hostTest(
  "Intrusion Prevention: five failed logins of any kind shut an address out, on the SSH port; ignoreip is spared",
  async (stack) => {
    const other = await attacker();
    const host = (await ls(instance)).find(({ name }) => name === stack.labName());
    const own4 = await addressOf(other);
    const prefix = await prefixOf(other);
    assert.ok(host?.ipv4 !== undefined && host.ipv6 !== undefined);
    const [unknown, root, ignored] = [`${prefix}::a`, `${prefix}::b`, `${prefix}::c`];
    await other.run("umask 077; cat >/root/key", readFileSync(operatorKey, "utf8"));
    await other.run("rm -f /root/wrong; ssh-keygen -q -t ed25519 -N '' -f /root/wrong");
    for (const address of [unknown, root, ignored]) {
      await other.run(`ip -6 address add ${address}/128 dev eth0 nodad`);
    }
    const operator = (await stack.ssh("echo $SSH_CONNECTION")).stdout.split(" ")[0] ?? "";
    stack.configure({ "monoclaw:fail2ban": { ignoreip: [operator, `${prefix}::c/128`] } });
    await stack.upLayers(["fail2ban"]);

    /** A login from one of the attacker's addresses. */
    const attempt = (from: string, user: string, key: string) => ({
      from,
      user,
      key,
      to: String(from.includes(":") ? host.ipv6 : host.ipv4),
    });
    const login = (from: string, user: string, key: string) => loginCommand(attempt(from, user, key));
    const fiveTimes = (from: string, user: string, key: string) => failFiveTimes(other, attempt(from, user, key));
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
      await until("the kernel's sets", 20, () => inForce(stack, shutOut));
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
      await until("the kernel's sets are back", 20, () => inForce(stack, shutOut));
      assert.match(await sixth(own4), /Connection refused/);
      await stack.root(`fail2ban-client set sshd unbanip ${own4}`);
      assert.equal((await other.run(login(own4, "ops", "/root/key"))).exitCode, 0, "after unbanip");
    } finally {
      // ignoreip stays: what is ignored harms no other test.
      await stack.root("fail2ban-client unban --all");
    }
  },
);
