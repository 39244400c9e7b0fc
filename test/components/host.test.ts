import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { type Declared, recordResources, valueOf } from "./mocks";

const operator = sshKeyPair("0f".repeat(32), "me@laptop").publicKey;
const declared = recordResources();
/** What the mocks give out as the token. */
const token = Buffer.from("gateway-gateway-token").toString("hex").padEnd(64, "0").slice(0, 64);
const outputs: Record<string, unknown> = {};
let tokenIsSecret = false;

function named(name: string): Declared {
  const found = declared.find((resource) => resource.name === name);
  assert.ok(found, `no resource ${name}`);
  return found;
}

before(async () => {
  const { Host } = await import("../../components/host");
  const { hosts } = parseConfig({ authorizedKeys: [operator], sshPort: 2222, previousSshPort: 22022 }, ".");
  const settings = hosts.get("gateway");
  assert.ok(settings);
  const host = new Host("gateway", { settings, generation: 7, registry: "https://registry.example/" });
  outputs["sshCommand"] = await valueOf(host.sshCommand);
  outputs["knownHosts"] = await valueOf(host.knownHosts);
  outputs["gatewayToken"] = await valueOf(host.gatewayToken);
  tokenIsSecret = await pulumi.isSecret(host.gatewayToken);
  await pulumi.runtime.disconnect();
});

void test("a host is exactly these resources", () => {
  assert.deepEqual(
    declared.map(({ type, name }) => `${type.replace(/^.*:/, "")} ${name}`).sort(),
    [
      "Command gateway-contact-key",
      "Command gateway-firewall-apply",
      "Command gateway-firewall-confirm",
      "Command gateway-gateway-apply",
      "Command gateway-gateway-token-apply",
      "Command gateway-openclaw-apply",
      "Command gateway-receiver-apply",
      "Command gateway-ssh-apply",
      "Command gateway-ssh-confirm",
      "Command gateway-users-apply",
      "Confirmation gateway-firewall",
      "Confirmation gateway-ssh",
      "Firewall gateway-firewall",
      "FirstContact gateway-contact",
      "GatewayToken gateway-gateway",
      "Host gateway",
      "Layer gateway-firewall",
      "Layer gateway-gateway",
      "Layer gateway-gateway-token",
      "Layer gateway-openclaw",
      "Layer gateway-receiver",
      "Layer gateway-ssh",
      "Layer gateway-users",
      "PrimaryIp gateway-ipv4",
      "RandomPassword gateway-gateway-token",
      "RandomPassword gateway-trust-bootstrap",
      "RandomPassword gateway-trust-deploy",
      "RandomPassword gateway-trust-signing",
      "Server gateway-server",
      "SshKey gateway-deploy",
      "Trust gateway-trust",
      "Vps gateway",
    ].sort(),
  );
});

void test("the cloud's firewall lets in the SSH ports and nothing else", () => {
  const rules = declared.find(({ type }) => type.includes("firewall:Firewall"))?.inputs["rules"] as {
    direction: string;
    protocol: string;
    port: string;
  }[];
  assert.deepEqual(
    rules.map(({ direction, protocol, port }) => `${direction} ${protocol} ${port}`),
    ["in tcp 2222", "in tcp 22022"],
  );
});

void test("the server has its firewall, address and deploy key from its first boot", () => {
  const { inputs, secrets } = named("gateway-server");
  assert.equal((inputs["firewallIds"] as unknown[]).length, 1);
  assert.equal((inputs["sshKeys"] as unknown[]).length, 1);
  assert.equal((inputs["publicNets"] as { ipv4: number }[])[0]?.ipv4.toString().length, 4);
  assert.ok(secrets.includes("userData"), "user_data holds the single-use host key");
});

void test("no private key, seed or token stands in user_data but the single-use host key", () => {
  const userData = named("gateway-server").inputs["userData"] as string;
  for (const purpose of ["signing", "deploy"]) {
    const seed = Buffer.from(`gateway-trust-${purpose}`).toString("hex").padEnd(64, "0").slice(0, 64);
    assert.ok(!userData.includes(seed));
    assert.ok(!userData.includes(sshKeyPair(seed, `monoclaw-${purpose}`).privateKey.split("\n")[2] ?? ""));
  }
  assert.ok(!userData.includes(token));
});

void test("every connection is pinned to a host key and gives up before fail2ban would ban", () => {
  for (const { name, inputs } of declared.filter(({ type }) => type === "command:remote:Command")) {
    const connection = inputs["connection"] as Record<string, unknown>;
    assert.deepEqual(
      Object.keys(connection).sort(),
      ["dialErrorLimit", "host", "hostKey", "perDialTimeout", "port", "privateKey", "user"],
      name,
    );
    assert.match(String(connection["hostKey"]), /^ssh-ed25519 /, name);
    assert.ok(name === "gateway-contact-key" || Number(connection["dialErrorLimit"]) <= 3, name);
    assert.equal(inputs["addPreviousOutputInEnv"], false, name);
  }
});

void test("during a change of port, layers come in by the old one and confirmations by the new one", () => {
  const port = (name: string) => (named(name).inputs["connection"] as { port: number }).port;
  assert.equal(port("gateway-ssh-apply"), 22022);
  assert.equal(port("gateway-ssh-confirm"), 2222);
});

void test("only the token's envelope is secret, and its output is neither logged nor shown", () => {
  for (const { name, inputs, secrets } of declared.filter(({ name }) => name.endsWith("-apply"))) {
    const isToken = name === "gateway-gateway-token-apply";
    assert.equal(secrets.includes("stdin"), isToken, name);
    assert.equal(inputs["logging"], isToken ? "none" : "stdoutAndStderr", name);
    assert.equal(String(inputs["stdin"]).includes(token), isToken, name);
    assert.equal(inputs["create"], "apply", name);
    assert.match(
      String(inputs["stdin"]),
      /^monoclaw-envelope 1\nhost [0-9a-f]{32}\nlayer [a-z-]+\ngeneration 7\n/,
      name,
    );
  }
});

void test("outputs are what a person can paste, and the token is a secret", () => {
  assert.deepEqual(outputs, {
    sshCommand: "ssh -p 2222 ops@192.0.2.7",
    knownHosts: `[192.0.2.7]:2222 ssh-ed25519 ${"A".repeat(68)}`,
    gatewayToken: token,
  });
  assert.equal(tokenIsSecret, true);
});
