import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { anotherUid, byHand, down, drifted, noStack, tailnet, tailnetDown, unreadable } from "../e2e/auditMutations";

const root = join(__dirname, "../..");

/** The lines of the security practices that say what a host must be like, in their order. */
const lines = [
  "ufw --force enable",
  "ufw allow ${MONOCLAW_SSH_PORT}/tcp",
  "HTTP/HTTPS ports intentionally NOT opened",
  "gateway.mode",
  "gateway.bind",
  "gateway.port",
  "gateway.trustedProxies",
  "preventing any direct network access",
  "Routes 127.0.0.1:18789 through Tailscale",
  "Accessible via https://<hostname>.<tailnet>.ts.net",
  "No inbound ports required",
  "End-to-end WireGuard encryption",
  "AuthenticationMethods publickey",
  "PasswordAuthentication no",
  "PubkeyAuthentication yes",
  "ChallengeResponseAuthentication no",
  "PermitRootLogin no",
  "AllowUsers ${PRIMARY_USER}",
  "MaxAuthTries 3",
  "LoginGraceTime 20",
  "ClientAliveInterval 300",
  "ClientAliveCountMax 2",
  "AllowTcpForwarding yes",
  "AllowAgentForwarding no",
  "X11Forwarding no",
  "user-specified port (not 22)",
  "Username openclaw",
  "Home /var/lib/openclaw",
  "Shell /usr/sbin/nologin",
  "UID System (< 1000)",
  "/usr/local/bin/monoclaw-config",
  "/usr/local/bin/monoclaw-status",
  "/usr/local/bin/monoclaw-logs",
  "/usr/local/bin/monoclaw-security",
  "/usr/local/bin/monoclaw-update",
  "/usr/local/bin/monoclaw-tailscale",
  "/bin/systemctl restart openclaw",
  "/bin/systemctl start openclaw",
  "/bin/systemctl stop openclaw",
  "/bin/systemctl status openclaw",
  "/usr/bin/tailscale status",
  "/usr/bin/tailscale serve *",
  "openssl rand -hex 32",
  "/etc/monoclaw/auth-token (mode 600)",
  "/var/lib/openclaw/.openclaw/openclaw.json (mode 600)",
  "gateway.auth.mode token",
  "gateway.auth.token",
  "monoclaw-config regenerate-token",
  "enabled = true",
  "port = ${MONOCLAW_SSH_PORT}",
  "logpath = /var/log/auth.log",
  "maxretry = 5",
  "findtime = 600",
  "bantime = 3600",
  "banned for 1 hour",
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=read-only",
  "PrivateTmp=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectControlGroups=yes",
  "ReadWritePaths=/var/lib/openclaw",
  "ReadWritePaths=/tmp/openclaw",
  "MemoryMax=2G",
  "TasksMax=100",
  "systemd-detect-virt --container",
  "preserving user isolation",
  "/etc/monoclaw 700 root:root",
  "/etc/monoclaw/auth-token 600 root:root",
  "/var/lib/openclaw 700 openclaw:openclaw",
  "/var/lib/openclaw/.openclaw 700 openclaw:openclaw",
  "/var/lib/openclaw/.openclaw/openclaw.json 600 openclaw:openclaw",
  "/usr/local/vps-scripts 755 root:root",
  "~/.ssh 700 user:user",
  "~/.ssh/authorized_keys 600 user:user",
  "${distro_id}:${distro_codename}-security",
  'APT::Periodic::Update-Package-Lists "1"',
  'APT::Periodic::Unattended-Upgrade "1"',
  "OpenClaw security configuration (openclaw security audit)",
  "File and directory permissions",
  "Firewall status (ufw status)",
  "fail2ban SSH jail status",
  "SSH configuration",
  "Tailscale connectivity",
  "Use strong key types (Ed25519 or RSA 4096-bit)",
  "Remove old keys from authorized_keys",
];

const rows = readFileSync(join(root, "docs/document-map.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| section"))
  .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")))
  .filter(([, section = ""]) => !section.startsWith("-"))
  .map(([, section = "", line = "", layer = "", row = "", file = ""]) => ({ section, line, layer, row, file }));

/** Every row of `monoclaw-security`: the end-to-end test fails if one isn't here. */
const checked = new Set(
  [...drifted, ...down, ...unreadable, ...byHand, ...tailnet, ...tailnetDown, anotherUid, noStack].flatMap(
    (each) => each.rows,
  ),
);

void test("document-map.md has every line of the security practices, in order", () => {
  assert.deepEqual(
    rows.map(({ line }) => line),
    lines,
  );
});

void test("document-map.md names layers, rows of monoclaw-security and tests that exist", () => {
  for (const { line, layer, row, file } of rows) {
    assert.ok(checked.has(row), `${line}: monoclaw-security has no row ${row}`);
    if (layer === "not yet") {
      assert.equal(file, "not yet", line);
      continue;
    }
    assert.ok(existsSync(join(root, `templates/layers/${layer}.sh`)), `${line}: no layer ${layer}`);
    assert.ok(existsSync(join(root, "test", file)), `${line}: no test ${file}`);
  }
});
