import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { newStack, recordResources, valueOf } from "./mocks";

const declared = recordResources();
const outputs: Record<string, string> = {};

before(async () => {
  const { Host } = await import("../../components/host");
  const authorizedKeys = [sshKeyPair("0f".repeat(32), "me@laptop").publicKey];
  const hosts = {
    closing: { tailnet: { sshOnly: true, previousSshOnly: false, tags: ["tag:closing"] } },
    closed: { tailnet: { sshOnly: true, address: "100.64.0.7" } },
  };
  const parsed = parseConfig({ authorizedKeys, hosts }, ".").hosts;
  for (const [name, settings] of parsed) {
    const host = new Host(name, { ...settings, ...newStack });
    outputs[name] = `${await valueOf(host.sshCommand)}; ${(await valueOf(host.knownHosts)).split(" ")[0] ?? ""}`;
  }
  await pulumi.runtime.disconnect();
});

function inputs(name: string): Record<string, unknown> {
  const found = declared.find((resource) => resource.name === name);
  assert.ok(found, `no resource ${name}`);
  return found.inputs;
}

const way = (name: string) => {
  const { host, port } = inputs(name)["connection"] as { host: string; port: number };
  return `${host}:${String(port)}`;
};

void test("while SSH moves to the tailnet, layers come in by the public address and confirmations over the tailnet", () => {
  for (const layer of ["ssh-apply", "firewall-apply", "audit-apply", "ssh-await", "firewall-await"]) {
    assert.equal(way(`closing-${layer}`), "192.0.2.7:22022", layer);
  }
  assert.equal(way("closing-ssh-confirm"), "closing:22022");
  assert.equal(way("closing-firewall-confirm"), "closing:22022");
  assert.match(String(inputs("closing-firewall-apply")["stdin"]), /^ways=\('22022@tailscale0' '22022'\)$/m);
  assert.equal((inputs("closing-firewall")["rules"] as unknown[]).length, 1);
  assert.match(
    String(inputs("closing-tailnet-leave")["stdin"]),
    /^source \/usr\/local\/vps-scripts\/leave-tailnet\.sh$/m,
  );
});

void test("then the cloud's firewall and ufw are closed to the Internet, and all but the first contact goes over the tailnet", () => {
  // The provider never takes a firewall's last rule off it, so one stays that lets in nobody.
  const rules = inputs("closed-firewall")["rules"] as { protocol: string; sourceIps: string[] }[];
  assert.deepEqual(
    rules.map(({ protocol, sourceIps }) => [protocol, ...sourceIps]),
    [["icmp", "192.0.2.1/32"]],
  );
  const remote = declared.filter(({ type, name }) => type === "command:remote:Command" && name.startsWith("closed-"));
  assert.ok(remote.length > 10);
  // A new host can't be reached then, and nobody waits for it to boot.
  assert.equal((inputs("closed-contact-key")["connection"] as { dialErrorLimit: number }).dialErrorLimit, 3);
  for (const { name } of remote) {
    assert.equal(way(name), name === "closed-contact-key" ? "192.0.2.7:22022" : "100.64.0.7:22022", name);
  }
  assert.match(String(inputs("closed-firewall-apply")["stdin"]), /^ways=\('22022@tailscale0'\)$/m);
  assert.match(String(inputs("closed-management-apply")["stdin"]), /^sshWays=22022@tailscale0$/m);
  // Its own connection ends with the host's place on the tailnet.
  assert.match(String(inputs("closed-tailnet-leave")["stdin"]), /--on-active=2s .*receiver\.sh leave$/ms);
});

void test("what to type names the way that is open at the end", () => {
  assert.deepEqual(outputs, {
    closing: "ssh -p 22022 ops@closing; [closing]:22022",
    closed: "ssh -p 22022 ops@100.64.0.7; [100.64.0.7]:22022",
  });
});
