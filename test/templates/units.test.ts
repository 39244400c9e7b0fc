import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { firewallScript } from "../../components/layers/firewall";
import { gatewayUnit, sandboxGroups } from "../../components/layers/gateway";
import { receiverScript } from "../../components/layers/receiver";
import { openClawPackages } from "../../lib/openclawPackages";
import { check, golden, installed, scratch } from "./golden";
import { sampleLayers, sample } from "./samples";

const folder = scratch();

/** systemd's own verdict. It wants programs to exist, so they are ones of this folder here. */
function verify(name: string, text: string): void {
  const program = path.join(folder, "program");
  fs.writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  const file = path.join(folder, name);
  fs.writeFileSync(file, text.replace(/^(Exec\w+)=\S+/gm, `$1=${program}`));
  const said = check("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", file], "systemd");
  assert.ok(!said.includes(name), said);
}

void test("openclaw.service: as committed, accepted by systemd, with every directive of the requirements", () => {
  const parts = gatewayUnit({ memoryMax: "2G", tasksMax: 100 });
  assert.deepEqual([...parts.keys()], ["unit", "user", ...sandboxGroups]);
  const text = [...parts.values()].join("");
  // The folder's name changes with each version, which is no change of the unit.
  golden("openclaw.service", text.replaceAll(openClawPackages().id, "VERSION"));
  verify("openclaw.service", text);

  const lines = text.split("\n");
  const rows: [row: string, line: string][] = [
    ["Service User: openclaw", "User=openclaw"],
    ["NoNewPrivileges=yes", "NoNewPrivileges=yes"],
    ["ProtectSystem=strict", "ProtectSystem=strict"],
    ["ProtectHome=read-only, or stricter", "ProtectHome=yes"],
    ["PrivateTmp=yes", "PrivateTmp=yes"],
    ["ProtectKernelTunables=yes", "ProtectKernelTunables=yes"],
    ["ProtectKernelModules=yes", "ProtectKernelModules=yes"],
    ["ProtectControlGroups=yes", "ProtectControlGroups=yes"],
    ["ReadWritePaths=/var/lib/openclaw", "ReadWritePaths=/var/lib/openclaw"],
    ["ReadWritePaths=/tmp/openclaw, absent at first", "ReadWritePaths=-/tmp/openclaw"],
    ["MemoryMax=2G", "MemoryMax=2G"],
    ["TasksMax=100", "TasksMax=100"],
  ];
  for (const [row, line] of rows) {
    assert.ok(lines.includes(line), `Systemd Service Hardening: ${row}`);
  }
  const writable = lines.filter((line) => line.startsWith("ReadWritePaths="));
  assert.equal(writable.length, 2, "nothing else is writable");
  const keywords = lines.map((line) => /^(\w+)=/.exec(line)?.[1]).filter((keyword) => keyword !== undefined);
  const repeatable = ["Environment", "ReadWritePaths", "SystemCallFilter"];
  const repeated = keywords.filter((keyword, at) => keywords.indexOf(keyword) !== at && !repeatable.includes(keyword));
  assert.deepEqual(repeated, [], "a later line of the same directive would undo the requirements'");
});

void test("openclaw.service: without any of the groups a host may lack, it is still the service user's alone", () => {
  const parts = gatewayUnit({ memoryMax: "2G", tasksMax: 100 });
  const text = `${parts.get("unit") ?? ""}${parts.get("user") ?? ""}`;
  verify("openclaw.service", text);
  for (const line of [
    "User=openclaw",
    "Group=openclaw",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "UMask=0077",
  ]) {
    assert.ok(text.split("\n").includes(line), line);
  }
});

void test("openclaw.service: limits come from the stack, and Node.js's heap stays below them", () => {
  const text = gatewayUnit({ memoryMax: "4G", tasksMax: 300 }).get("unit") ?? "";
  assert.match(text, /^MemoryMax=4G$/m);
  assert.match(text, /^TasksMax=300$/m);
  assert.match(text, /--max-old-space-size=2457 /);
});

void test("monoclaw-recover.service: accepted by systemd, runs before anything that the layers configure", () => {
  const { text } = installed(receiverScript(), "/etc/systemd/system/monoclaw-recover.service");
  verify("monoclaw-recover.service", text);
  const before = /^Before=(.*)$/m.exec(text)?.[1]?.split(" ") ?? [];
  for (const unit of ["ssh.service", "ssh.socket", "ufw.service", "openclaw.service"]) {
    assert.ok(before.includes(unit), unit);
  }
});

void test("monoclaw-metadata.service: accepted by systemd, in force before the network is up", () => {
  const { text } = installed(firewallScript(sample), "/etc/systemd/system/monoclaw-metadata.service");
  verify("monoclaw-metadata.service", text);
  assert.match(text, /^Before=network-pre\.target$/m);
});

void test("tailscaled.service: as committed, accepted by systemd, no root and one capability", () => {
  const { mode, owner, text } = installed(sampleLayers()["tailscale"] ?? "", '"$unit"');
  assert.deepEqual([mode, owner], ["644", "root:root"]);
  golden("tailscaled.service", text);
  verify("tailscaled.service", text);
  const lines = text.split("\n");
  for (const line of [
    "User=tailscale",
    "CapabilityBoundingSet=CAP_NET_ADMIN",
    "AmbientCapabilities=CAP_NET_ADMIN",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "DeviceAllow=/dev/net/tun rw",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallFilter=~@privileged @resources",
    "Environment=TS_NO_LOGS_NO_SUPPORT=true",
  ]) {
    assert.ok(lines.includes(line), line);
  }
  assert.doesNotMatch(
    text,
    /^(ReadWritePaths|Requires|BindsTo|PartOf)=/m,
    "it writes its state only; no service hangs on it",
  );
});
