import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { firewallScript } from "../../components/layers/firewall";
import { effectiveSshd, sshScript } from "../../components/layers/ssh";
import { gatewayScript } from "../../components/layers/gateway";
import { kernelScript } from "../../components/layers/kernel";
import { sshKeyPair } from "../../lib/keys";
import { render } from "../../lib/render";
import { furtherSshdRows, sshdRows } from "../spec/sshd";
import { check, golden, installed, scratch } from "./golden";
import { sample, sampleLayers } from "./samples";

const folder = scratch();

function write(name: string, content: string): string {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content, { mode: 0o644 });
  return file;
}

/** What Debian's sshd_config and cloud-init's drop-in say against the requirements. */
const hostile = {
  "50-cloud-init.conf": "PasswordAuthentication yes\nPermitRootLogin yes\nMaxAuthTries 10\n",
  sshd_config: "KbdInteractiveAuthentication yes\nUsePAM yes\nX11Forwarding yes\nAllowAgentForwarding yes\n",
};

/** sshd's own view of a host's configuration for a login of the primary user: keyword and value, sorted lines. */
function effective(sshPorts: readonly number[]): string[] {
  const at = `etc-ssh-${sshPorts.join("-")}`;
  const script = sshScript({ ...sample, sshPorts });
  for (const name of ["99-custom.conf", "00-monoclaw.conf"]) {
    const file = installed(script, `/etc/ssh/sshd_config.d/${name}`);
    assert.deepEqual([file.mode, file.owner], ["644", "root:root"]);
    write(`${at}/${name}`, withKey(file.text));
  }
  write(`${at}/50-cloud-init.conf`, hostile["50-cloud-init.conf"]);
  const config = write(`${at}/sshd_config`, `Include ${folder}/${at}/*.conf\n${hostile.sshd_config}`);
  check("/usr/sbin/sshd", ["-t", "-f", config], "openssh-server");
  const shown = check(
    "/usr/sbin/sshd",
    ["-T", "-f", config, "-C", "user=ops,host=localhost,addr=127.0.0.1"],
    "openssh-server",
  );
  return shown.trim().split("\n").sort();
}

/** The drop-in with a host key that the unprivileged checker may read. */
function withKey(text: string): string {
  const key = path.join(folder, "host_key");
  if (!fs.existsSync(key)) {
    fs.writeFileSync(key, sshKeyPair("05".repeat(32), "test").privateKey, { mode: 0o644 });
  }
  return text.replace("/etc/ssh/ssh_host_ed25519_key", key);
}

for (const [name, sshPorts] of [
  ["one-port", [22022]],
  ["two-ports", [22022, 2222]],
] as const) {
  void test(`sshd drop-ins, ${name}: as committed, and sshd accepts each by itself`, () => {
    const script = sshScript({ ...sample, sshPorts });
    const custom = installed(script, "/etc/ssh/sshd_config.d/99-custom.conf").text;
    const first = installed(script, "/etc/ssh/sshd_config.d/00-monoclaw.conf").text;
    golden(`99-custom.${name}.conf`, custom);
    golden("00-monoclaw.conf", first);
    const key = path.join(folder, "host_key");
    check("/usr/sbin/sshd", ["-t", "-f", write(`${name}.conf`, withKey(custom))], "openssh-server");
    check("/usr/sbin/sshd", ["-t", "-h", key, "-f", write("first.conf", first)], "openssh-server");
  });

  void test(`sshd drop-ins, ${name}: each row of the requirements is in force, whatever other files say`, () => {
    const lines = effective(sshPorts);
    const value = (keyword: string) =>
      lines.filter((line) => line.startsWith(`${keyword} `)).map((line) => line.slice(keyword.length + 1));
    const { Authentication, "Connection Limits": limits, "Forwarding Restrictions": forwarding } = sshdRows;
    for (const row of [...Authentication, ...limits, ...forwarding]) {
      const [keyword = "", wanted] = row.split(" ");
      assert.deepEqual(value(keyword), [wanted], row);
    }
    assert.deepEqual(value("port").sort(), sshPorts.map(String).sort(), "Custom Port");
    assert.equal(value("hostkey").length, 1, "an Ed25519 host key and no other");
  });
}

void test("sshd: the layer and the audit look after every row that the specification has", () => {
  const rows = effectiveSshd({ primaryUser: "ops", sshPorts: [22022] }).map((row) => row.join(" "));
  assert.deepEqual(rows.sort(), [...Object.values(sshdRows).flat(), ...furtherSshdRows].sort());
});

void test("sudoers: as committed, accepted by visudo, the requirements' capabilities and not everything", () => {
  const { mode, owner, text } = installed(sampleLayers()["users"] ?? "", '"$sudoers"');
  assert.deepEqual([mode, owner], ["440", "root:root"], "sudo ignores files with another mode or owner");
  golden("010_ops-limited", text);
  check("visudo", ["-c", "-f", write("sudoers", text)], "sudo");
  assert.doesNotMatch(text, /\\\n/, "sudo-rs reads no continued line within arguments");
  const rows = text.split("\n").filter((line) => line.startsWith("ops "));
  const commands = rows.map((row) => row.replace(/^.*: /, "").replace(/^\/bin\//, "/usr/bin/"));
  assert.equal(new Set(commands).size, 15);
  for (const row of rows) {
    assert.match(row, /^ops ALL=\(root\) NOPASSWD: /, "Restricted Sudo: as root, without a password");
    assert.doesNotMatch(row, /\*|\bALL$/, "no wildcard: it matches spaces and slashes, too");
  }
  for (const word of ["status openclaw", "tailscale status", "tailscale serve"]) {
    assert.ok(
      rows.filter((row) => row.includes(word)).every((row) => row.includes("NOEXEC: ")),
      `${word}: no pager, no shell`,
    );
  }
  for (const flag of ["env_reset", "!env_keep", "!setenv", "use_pty"]) {
    assert.ok(text.includes(`\nDefaults:ops ${flag}\n`), flag);
  }
  assert.match(text, /^Defaults:ops secure_path="[^"]+"$/m, "the caller's PATH must not reach root");
});

void test("packet filter until ufw is there: as committed, accepted by nft, closed but for SSH", () => {
  for (const [name, sshPorts] of [
    ["one-port", "22022"],
    ["two-ports", "22022, 2222"],
  ] as const) {
    const text = render("runtime/closed.nft.mustache", { sshPorts });
    golden(`closed.${name}.nft`, text);
    check("unshare", ["-rn", "nft", "-c", "-f", write(`${name}.nft`, text)], "nftables");
    assert.match(text, /hook input priority filter; policy drop;/, "nothing comes in by default");
    assert.deepEqual(text.match(/tcp dport \{ (.+) \} accept/)?.[1], sshPorts, "but SSH");
  }
});

void test("metadata address: nft accepts the rules, and all but root are refused", () => {
  const { mode, owner, text } = installed(firewallScript(sample), "/etc/monoclaw/metadata.nft");
  assert.deepEqual([mode, owner], ["644", "root:root"]);
  check("unshare", ["-rn", "nft", "-c", "-f", write("metadata.nft", text)], "nftables");
  assert.match(text, /ip daddr 169\.254\.169\.254 meta skuid != 0 reject/);
});

void test("openclaw.json: the managed settings as committed, with what the requirements say", () => {
  const script = gatewayScript({ settings: {}, memoryMax: "2G", tasksMax: 100 });
  const { mode, owner, text } = installed(script, '"$managed"');
  assert.deepEqual([mode, owner], ["600", "root:root"]);
  golden("openclaw-settings.json", text);
  const { gateway } = JSON.parse(text) as { gateway: Record<string, unknown> & { auth: Record<string, unknown> } };
  assert.equal(gateway["mode"], "local", "Loopback Binding: mode");
  assert.equal(gateway["bind"], "loopback", "Loopback Binding: bind");
  assert.equal(gateway["port"], 18789, "Loopback Binding: port");
  assert.deepEqual(gateway["trustedProxies"], ["127.0.0.1", "::1"], "Loopback Binding: trustedProxies");
  assert.equal(gateway.auth["mode"], "token", "Gateway Token: mode");
  assert.equal(gateway.auth["token"], undefined, "the token comes by the gateway-token layer alone");
});

void test("kernel: settings and modules as committed, accepted by modprobe, each line with its reason above", () => {
  const script = kernelScript("hardened");
  const settings = installed(script, '"$settings"');
  const modules = installed(script, '"$modules"');
  for (const { mode, owner, text } of [settings, modules]) {
    assert.deepEqual([mode, owner], ["644", "root:root"]);
    assert.match(text, /^# Written by monoclaw\./);
  }
  golden("zz-monoclaw.conf", settings.text);
  const keys = settings.text.split("\n").filter((line) => /^[a-z]/.test(line));
  for (const line of keys) {
    assert.match(line, /^(kernel|net|dev|fs)\.[a-z0-9_.*]+ = \d+$/);
  }
  assert.doesNotMatch(settings.text, /forward|accept_ra|user_namespaces|kexec|modules_disabled/, "see docs/kernel.md");
  const listed = check("modprobe", ["-C", write("modules.conf", modules.text), "--showconfig"], "kmod");
  const wanted = modules.text.split("\n").filter((line) => line.startsWith("install "));
  assert.equal(wanted.length, 14);
  for (const line of wanted) {
    assert.ok(listed.replaceAll("_", "-").split("\n").includes(line), line);
  }
});

void test("kernel, left as it is: the layer's files go, and nothing is set", () => {
  const script = kernelScript("leave");
  assert.doesNotMatch(script, /zz-monoclaw\.conf <<|restrict|chmod/);
  assert.match(script, /rm -- "\$path"/);
});
