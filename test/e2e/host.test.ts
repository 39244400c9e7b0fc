import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { ls } from "../../lab/client";
import { Attacker } from "./attacker";
import { sshdRows } from "../spec/sshd";
import { host } from "./hostTest";
import { instance, operatorKey } from "./stack";

const hostTest = host("ssh");

/** `key=value` lines as a map; a key that comes twice has both values. */
function properties(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.trim().split("\n")) {
    const at = line.indexOf("=");
    const key = line.slice(0, at);
    found.set(key, [found.get(key), line.slice(at + 1)].filter((value) => value !== undefined).join(" "));
  }
  return found;
}

for (const [table, rows] of Object.entries(sshdRows)) {
  hostTest(`SSH Hardening, ${table}: sshd -T says every row`, async (stack) => {
    const lines = (await stack.root("sshd -T -C user=ops,host=somewhere,addr=203.0.113.7")).split("\n");
    for (const row of rows) {
      const [key = ""] = row.split(" ");
      assert.deepEqual(
        lines.filter((line) => line.startsWith(`${key} `)),
        [row],
      );
    }
  });
}

hostTest("Firewall (UFW): active, denies incoming, only the SSH port is open, IPv6 too", async (stack) => {
  const status = await stack.root("ufw status verbose");
  assert.match(status, /^Status: active$/m);
  assert.match(status, /^Default: deny \(incoming\), allow \(outgoing\)/m);
  const rules = status
    .slice(status.indexOf("--\n", status.indexOf("Action")))
    .split("\n")
    .slice(1);
  assert.deepEqual(
    rules.filter((line) => line.trim() !== "").map((line) => line.trim().replace(/\s+/g, " ")),
    [
      "22022/tcp on tailscale0 DENY IN Anywhere",
      "22022/tcp ALLOW IN Anywhere",
      "22022/tcp (v6) on tailscale0 DENY IN Anywhere (v6)",
      "22022/tcp (v6) ALLOW IN Anywhere (v6)",
    ],
  );
});

hostTest("Loopback Binding: only sshd and the image's resolver listen beyond loopback", async (stack) => {
  const lines = (await stack.root("ss -Hltnup")).trim().split("\n");
  const listening = lines.map((line) => {
    const [kind = "", , , , local = ""] = line.split(/\s+/);
    return { kind, local, program: /\(\("([^"]+)"/.exec(line)?.[1] ?? "" };
  });
  const gateway = listening.filter(({ local }) => local.endsWith(":18789")).map(({ local }) => local);
  assert.deepEqual(
    gateway.filter((local) => local !== "[::1]:18789"),
    ["127.0.0.1:18789"],
  );
  const outside = listening.filter(({ local }) => !/^(127\.|\[::1\])/.test(local) && !/^127\..*%lo/.test(local));
  const foreign = outside.filter(({ program }) => program !== "systemd-resolve");
  assert.deepEqual(foreign.map(({ kind, local, program }) => `${kind} ${local} ${program}`).sort(), [
    "tcp 0.0.0.0:22022 sshd",
    "tcp [::]:22022 sshd",
  ]);
});

hostTest("User Isolation: openclaw is a system user without a shell; no account has a password", async (stack) => {
  const [name, , uid, , , home, shell] = (await stack.root("getent passwd openclaw")).trim().split(":");
  assert.deepEqual([name, home, shell], ["openclaw", "/var/lib/openclaw", "/usr/sbin/nologin"]);
  assert.ok(Number(uid) > 0 && Number(uid) < 1000, `uid ${String(uid)}`);
  for (const account of ["ops", "root", "openclaw"]) {
    assert.match(await stack.root(`passwd -S ${account}`), new RegExp(`^${account} L `));
  }
  assert.equal((await stack.root("awk -F: '$2 !~ /^[!*]/ {print $1}' /etc/shadow")).trim(), "");
});

hostTest("Restricted Sudo: the primary user is in no group but its own", async (stack) => {
  assert.equal((await stack.root("id -nG ops")).trim(), "ops");
});

hostTest("File Permissions: every path of the matrix has its mode and owner", async (stack) => {
  const matrix = {
    "/etc/monoclaw": "700 root:root directory",
    "/etc/monoclaw/auth-token": "600 root:root regular file",
    "/var/lib/openclaw": "700 openclaw:openclaw directory",
    "/var/lib/openclaw/.openclaw": "700 openclaw:openclaw directory",
    "/var/lib/openclaw/.openclaw/openclaw.json": "600 openclaw:openclaw regular file",
    "/usr/local/vps-scripts": "755 root:root directory",
    "/home/ops/.ssh": "700 ops:ops directory",
    "/home/ops/.ssh/authorized_keys": "600 ops:ops regular file",
  };
  const lines = (await stack.root(`stat -c '%n=%a %U:%G %F' ${Object.keys(matrix).join(" ")}`)).trim();
  assert.deepEqual(Object.fromEntries(properties(lines)), matrix);
});

hostTest("Systemd Service Hardening: every directive and limit is in force", async (stack) => {
  const shown = properties(await stack.root("systemctl show openclaw"));
  const wanted = {
    ActiveState: "active",
    UnitFileState: "enabled",
    FragmentPath: "/etc/systemd/system/openclaw.service",
    User: "openclaw",
    NoNewPrivileges: "yes",
    ProtectSystem: "strict",
    ProtectHome: "yes", // stricter than the requirements' read-only
    PrivateTmp: "yes",
    ProtectKernelTunables: "yes",
    ProtectKernelModules: "yes",
    ProtectControlGroups: "yes",
    ReadWritePaths: "/var/lib/openclaw -/tmp/openclaw",
    MemoryMax: String(2 * 1024 ** 3),
    TasksMax: "100",
    TimeoutStopUSec: "1min 30s",
    KillMode: "mixed",
  };
  assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((key) => [key, shown.get(key)])), wanted);
  // What the kernel holds of it for the running process, not just the manager.
  const kernel = await stack.root("cat /proc/$(systemctl show openclaw -p MainPID --value)/status");
  assert.match(kernel, /^NoNewPrivs:\s*1$/m);
  assert.match(kernel, /^CapBnd:\s*0+$/m);
  assert.match(kernel, /^Seccomp:\s*2$/m);
});

hostTest("Systemd Service Hardening: systemd-analyze security scores 1.3 or better", async (stack) => {
  const last = (await stack.root("systemd-analyze security --no-pager openclaw")).trim().split("\n").at(-1) ?? "";
  const score = Number(/level for openclaw\.service: ([\d.]+)/.exec(last)?.[1]);
  assert.ok(score <= 1.3, last);
});

hostTest("the gateway answers /startupz on loopback", async (stack) => {
  const code = await stack.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/startupz");
  assert.equal(code, "200");
});

hostTest("openclaw.json has the requirements' keys", async (stack) => {
  const text = await stack.root("cat /var/lib/openclaw/.openclaw/openclaw.json");
  const { gateway } = JSON.parse(text) as { gateway: Record<string, unknown> & { auth: Record<string, unknown> } };
  assert.deepEqual(
    [gateway["mode"], gateway["bind"], gateway["port"], gateway["trustedProxies"], gateway.auth["mode"]],
    ["local", "loopback", 18789, ["127.0.0.1", "::1"], "token"],
  );
  assert.match(String(gateway.auth["token"]), /^[0-9a-f]{64}$/);
});

hostTest("the metadata address answers root and nobody else", async (stack) => {
  const ask = "curl -sS -m 5 http://169.254.169.254/hetzner/v1/userdata";
  assert.match(await stack.root(ask), /^#cloud-config/);
  for (const user of ["ops", "openclaw", "nobody"]) {
    const refused = await stack.tryRoot(`setpriv --reuid=${user} --regid=nogroup --clear-groups ${ask}`);
    assert.equal(refused.exitCode, 7, `${user}: ${refused.stdout}${refused.stderr}`);
    assert.equal(refused.stdout, "");
  }
});

let attacker: Promise<Attacker> | undefined;
const strange = () => (attacker ??= Attacker.make("e2e-attacker"));
after(async () => {
  await (await attacker)?.destroy();
});

hostTest("from another host only the SSH port answers, over IPv4 and IPv6", async (stack) => {
  const other = await strange();
  const host = (await ls(instance)).find(({ name }) => name === stack.labName());
  assert.ok(host?.ipv4 !== undefined && host.ipv6 !== undefined);
  assert.deepEqual(await other.openPorts(host.ipv4), [22022]);
  assert.deepEqual(await other.openPorts(host.ipv6), [22022]);
});

hostTest("the host's own firewall lets in SSH alone, whatever the cloud's lets through", async (stack) => {
  const counters = await stack.root("iptables -S ufw-user-input; ip6tables -S ufw6-user-input; iptables -S INPUT");
  const accepts = counters.split("\n").filter((line) => line.startsWith("-A ufw") && line.includes("-j ACCEPT"));
  assert.deepEqual(
    accepts.map((line) => /--dport \d+/.exec(line)?.[0]),
    ["--dport 22022", "--dport 22022"],
  );
  assert.match(counters, /^-P INPUT DROP$/m);
});

hostTest("root, other users, other keys and passwords get no login", async (stack) => {
  const other = await strange();
  const address = await stack.address();
  await other.run("umask 077; cat >/root/key", readFileSync(operatorKey, "utf8"));
  const login = (user: string, options: string) =>
    other.run(
      `ssh -p 22022 -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=5 ${options} ${user}@${address} id`,
    );
  // The right key works from there, so what is refused is not refused for the place it comes from.
  assert.equal((await login("ops", "-i /root/key")).exitCode, 0);
  const refused = {
    "root with the operator's key": ["root", "-i /root/key"],
    "openclaw with the operator's key": ["openclaw", "-i /root/key"],
    "the primary user without a key": ["ops", "-o PubkeyAuthentication=no"],
  } as const;
  for (const [who, [user, options]] of Object.entries(refused)) {
    // sshd makes an address wait after a failure (PerSourcePenalties): the answer that counts is its refusal.
    let answer = await login(user, options);
    const end = Date.now() + 60_000;
    while (!answer.stderr.includes("Permission denied") && Date.now() < end) {
      answer = await login(user, options);
    }
    assert.match(answer.stderr, /Permission denied \(publickey\)/, who);
    assert.equal(answer.stdout, "", who);
  }
});

void test("the scan finds what is open: a stranger's own sshd on port 22", async () => {
  assert.ok((await (await strange()).openPorts("127.0.0.1")).includes(22));
});
