import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { anotherUid, byHand, down, drifted, noStack, tailnet, tailnetDown, unreadable } from "../e2e/auditMutations";

const root = join(__dirname, "../..");

/** What is read on a host, row by row; typed by hand, so that a row that is lost or changed is noticed. */
const values = [
  "ufw: active, incoming denied",
  "the SSH port, TCP, alone; none with tailnet.sshOnly",
  "80 and 443 closed in the kernel's rules",
  "gateway.mode = local",
  "gateway.bind = loopback",
  "gateway.port = 18789",
  "gateway.trustedProxies = 127.0.0.1, ::1",
  "18789 on 127.0.0.1 alone",
  "serve: / to 127.0.0.1:18789",
  "serve: HTTPS, under that name",
  "no listener of Tailscale's that ufw lets in",
  "joined, as tailscaled's settings say",
  "AuthenticationMethods = publickey",
  "PasswordAuthentication = no",
  "PubkeyAuthentication = yes",
  "KbdInteractiveAuthentication = no",
  "PermitRootLogin = no",
  "AllowUsers = the primary user",
  "MaxAuthTries = 3",
  "LoginGraceTime = 20 s",
  "ClientAliveInterval = 300 s",
  "ClientAliveCountMax = 2",
  "AllowTcpForwarding = yes",
  "AllowAgentForwarding = no",
  "X11Forwarding = no",
  "sshd listens there alone, not on 22",
  "openclaw",
  "/var/lib/openclaw",
  "/usr/sbin/nologin",
  "UID < 1000",
  "sudo: /usr/local/bin/monoclaw-config",
  "sudo: /usr/local/bin/monoclaw-status",
  "sudo: /usr/local/bin/monoclaw-logs",
  "sudo: /usr/local/bin/monoclaw-security",
  "sudo: /usr/local/bin/monoclaw-update",
  "sudo: /usr/local/bin/monoclaw-tailscale",
  "sudo: systemctl restart openclaw",
  "sudo: systemctl start openclaw",
  "sudo: systemctl stop openclaw",
  "sudo: systemctl status openclaw",
  "sudo: tailscale status",
  "sudo: tailscale serve, limited",
  "256 random bits, as 64 hex digits",
  "/etc/monoclaw/auth-token, mode 600",
  "openclaw.json, mode 600, the same token",
  "gateway.auth.mode = token",
  "gateway.auth.token: a request with it passes",
  "monoclaw-config regenerate-token",
  "enabled = true",
  "port = the SSH port",
  "sshd's messages, logpath or the journal",
  "maxretry = 5",
  "findtime = 600 s",
  "bantime = 3600 s",
  "a rule of the kernel's for each ban",
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectControlGroups=yes",
  "ReadWritePaths=/var/lib/openclaw",
  "ReadWritePaths=/tmp/openclaw",
  "MemoryMax=2G",
  "TasksMax=100",
  "systemd-detect-virt --container",
  "the gateway's process is openclaw's",
  "/etc/monoclaw 700 root:root",
  "/etc/monoclaw/auth-token 600 root:root",
  "/var/lib/openclaw 700 openclaw:openclaw",
  "/var/lib/openclaw/.openclaw 700 openclaw:openclaw",
  "/var/lib/openclaw/.openclaw/openclaw.json 600 openclaw:openclaw",
  "/usr/local/vps-scripts 755 root:root",
  "~/.ssh 700 user:user",
  "~/.ssh/authorized_keys 600 user:user",
  "Allowed-Origins = the release's -security",
  "APT::Periodic::Update-Package-Lists = 1",
  "APT::Periodic::Unattended-Upgrade = 1",
  "openclaw security audit: no finding",
  'each path of "Files" above',
  "ufw status",
  "fail2ban-client status sshd",
  "sshd -T",
  "tailscale status: online",
  "Ed25519, or RSA of at least 4096 bits",
  "authorized_keys = the stack's keys",
];

const page = readFileSync(join(root, "docs/requirements.md"), "utf8");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (promise|-)/.test(line))
  .map((line) => line.replaceAll("`", "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1"))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, promise = "", value = "", source = "", layer = "", row = "", file = ""]) => {
    return { promise, value, source, layer, row, file };
  });

/** Every row of `monoclaw-security`: the end-to-end test fails if one isn't here. */
const checked = new Set(
  [...drifted, ...down, ...unreadable, ...byHand, ...tailnet, ...tailnetDown, anotherUid, noStack].flatMap(
    (each) => each.rows,
  ),
);

void test("requirements.md has every promise, in order", () => {
  assert.deepEqual(
    rows.map(({ value }) => value),
    values,
  );
});

void test("what names a section of the requirements names one that there is", () => {
  const sections = page.split("\n").flatMap((line) => (line.startsWith("## ") ? [line.slice(3)] : []));
  const named = ["components", "lib", "templates"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .map((name) => join(root, folder, name))
      .filter((file) => statSync(file).isFile())
      .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/(?<!the )requirements: (?!none)([^)\n]+)/g)])
      .flatMap(([, names = ""]) => names.split(/[;,] /)),
  );
  assert.ok(named.length > 30, `only ${String(named.length)} were found`);
  const exists = (name: string) => name === "SSH" || sections.includes(name);
  assert.deepEqual(
    named.filter((name) => !exists(name)),
    [],
  );
});

void test("requirements.md says of each promise where it is explained, its layer, its row of monoclaw-security and its test, which exist", () => {
  for (const { promise, source, layer, row, file } of rows) {
    assert.match(source, /\(\d\)|^OpenClaw|^Tailscale|^tailscale|^management$/, promise);
    assert.ok(checked.has(row), `${promise}: monoclaw-security has no row ${row}`);
    assert.ok(existsSync(join(root, `templates/layers/${layer}/apply.sh`)), `${promise}: no layer ${layer}`);
    assert.ok(existsSync(join(root, "test", file)), `${promise}: no test ${file}`);
  }
});
