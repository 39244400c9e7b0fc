import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { sampleLayers } from "../templates/samples";
import { authKey, type Declared, hostKey, newStack, recordResources, valueOf } from "./mocks";

const operator = sshKeyPair("0f".repeat(32), "me@laptop").publicKey;
const apiKey = "tskey-api-mocked";
pulumi.runtime.setConfig("tailscale:apiKey", apiKey);
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
  const host = new Host("gateway", { ...settings, ...newStack });
  outputs["sshCommand"] = await valueOf(host.sshCommand);
  outputs["knownHosts"] = await valueOf(host.knownHosts);
  outputs["gatewayToken"] = await valueOf(host.gatewayToken);
  outputs["dashboardUrl"] = await valueOf(host.dashboardUrl);
  tokenIsSecret = await pulumi.isSecret(host.gatewayToken);
  await pulumi.runtime.disconnect();
});

void test("each layer of a host is in the rendered samples, which are checked by shellcheck", () => {
  const layers = declared.flatMap(({ name }) => /^gateway-(.*)-apply$/.exec(name)?.[1] ?? []);
  const samples = Object.keys(sampleLayers()).filter((name) => name !== "no-tailscale"); // the other form of tailscale
  assert.deepEqual(samples.sort(), layers.sort());
});

void test("a host is exactly these resources", () => {
  assert.deepEqual(
    declared.map(({ type, name }) => `${type.replace(/^.*:/, "")} ${name}`).sort(),
    [
      ...[
        ...["audit", "dashboard", "fail2ban", "kernel", "management", "packages", "tailnet", "tailscale", "updates"],
      ].flatMap((layer) => [`Command gateway-${layer}-apply`, `Layer gateway-${layer}`]),
      "Command gateway-contact-key",
      "Command gateway-firewall-apply",
      "Command gateway-firewall-await",
      "Command gateway-firewall-confirm",
      "Command gateway-gateway-apply",
      "Command gateway-gateway-token-apply",
      "Command gateway-openclaw-apply",
      "Command gateway-receiver-apply",
      "Command gateway-ssh-apply",
      "Command gateway-ssh-await",
      "Command gateway-ssh-confirm",
      "Command gateway-users-apply",
      "Command gateway-tailnet-device",
      "Command gateway-tailnet-leave",
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
      "Leave gateway-tailnet",
      "PrimaryIp gateway-ipv4",
      "RandomPassword gateway-gateway-token",
      "RandomPassword gateway-trust-bootstrap",
      "RandomPassword gateway-trust-deploy",
      "RandomPassword gateway-trust-signing",
      "Server gateway-server",
      "SshKey gateway-deploy",
      "TailnetKey gateway-tailnet-key",
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
    // A new server boots; a new port opens, once the old one let the same key in.
    const isPatient = name === "gateway-contact-key" || name.endsWith("-confirm");
    assert.ok(isPatient || Number(connection["dialErrorLimit"]) <= 3, name);
    assert.equal(inputs["addPreviousOutputInEnv"], false, name);
  }
});

void test("without openclaw.registry a host installs from npm's own registry", () => {
  const { stdin } = named("gateway-openclaw-apply").inputs;
  assert.match(String(stdin), /^registry='https:\/\/registry\.example\/'$/m);
});

void test("during a change of port, layers come in by the old one and confirmations by the new one", () => {
  const port = (name: string) => (named(name).inputs["connection"] as { port: number }).port;
  assert.equal(port("gateway-ssh-apply"), 22022);
  assert.equal(port("gateway-ssh-confirm"), 2222);
  assert.equal(port("gateway-ssh-await"), 22022);
});

void test("the token and the auth key are encrypted to the host; all else is sent, and shown, in clear", () => {
  for (const { name, inputs, secrets } of declared.filter(({ name }) => name.endsWith("-apply"))) {
    const isToken = name === "gateway-gateway-token-apply";
    const isKey = name === "gateway-tailnet-apply";
    const envelope = String(inputs["stdin"]);
    assert.ok(!secrets.includes("stdin") && !envelope.includes(token) && !envelope.includes(authKey), name);
    assert.equal(inputs["logging"], "stderr", name);
    assert.equal(inputs["create"], "apply", name);
    assert.match(
      envelope,
      /^monoclaw-envelope 2\nhost [0-9a-f]{32}\nmachine [0-9a-f]{32}\nlayer [a-z0-9-]+\nserial \d{13}\nact apply\n/,
      name,
    );
    assert.equal(
      /^content age\nlength \d+\n\n-----BEGIN AGE ENCRYPTED FILE-----$/m.test(envelope),
      isToken || isKey,
      name,
    );
  }
});

void test("the auth key works once, within the hour, for this machine and with the host's tags alone", () => {
  const { description, ...rest } = named("gateway-tailnet-key").inputs;
  assert.deepEqual(rest, {
    reusable: false,
    ephemeral: false,
    preauthorized: true,
    tags: ["tag:monoclaw"],
    expiry: 3600,
    recreateIfInvalid: "never",
  });
  assert.match(String(description), /^monoclaw gateway [0-9a-f]{8}$/);
  assert.ok(
    declared.every(({ type, inputs }) => type.includes("remote:Command") || !JSON.stringify(inputs).includes(authKey)),
  );
});

void test("the way out of the tailnet does nothing but on deletion, and again for another machine", () => {
  const { inputs } = named("gateway-tailnet-leave");
  const { connection, triggers } = named("gateway-tailnet-apply").inputs;
  const { stdin, ...rest } = inputs;
  assert.deepEqual(rest, { connection, triggers, delete: "apply", addPreviousOutputInEnv: false, logging: "stderr" });
  // It is the next of the layer that joined, so that joining again is newer.
  const serial = (envelope: unknown) => Number(/^layer tailnet\nserial (\d+)$/m.exec(String(envelope))?.[1]);
  assert.equal(serial(stdin), serial(named("gateway-tailnet-apply").inputs["stdin"]) + 1);
  assert.match(String(stdin), /^source \/usr\/local\/vps-scripts\/leave-tailnet\.sh$/m);
});

void test("the host's device is removed from here when it goes, by its name and tag, and again for another machine", () => {
  const { type, inputs } = named("gateway-tailnet-device");
  assert.equal(type, "command:local:Command");
  assert.deepEqual(inputs, {
    delete: "node --require tsx/cjs lib/removeDevice.ts",
    environment: {
      MONOCLAW_DEVICE: "gateway.tail1234.ts.net",
      MONOCLAW_TAG: "tag:monoclaw",
      TAILSCALE_API_KEY: apiKey,
    },
    triggers: named("gateway-tailnet-apply").inputs["triggers"],
    addPreviousOutputInEnv: false,
  });
});

void test("the gateway takes browsers from the served address, beside a tunnel's", () => {
  const script = String(named("gateway-gateway-apply").inputs["stdin"]);
  const [, list = ""] = /"allowedOrigins": (\[[^\]]*\])/.exec(script) ?? [];
  assert.deepEqual(JSON.parse(list), [
    ...["http://127.0.0.1:18789", "http://localhost:18789"],
    "https://gateway.tail1234.ts.net",
  ]);
});

void test("outputs are what a person can paste, and the token is a secret", () => {
  assert.deepEqual(outputs, {
    sshCommand: "ssh -p 2222 ops@192.0.2.7",
    knownHosts: `[192.0.2.7]:2222 ${hostKey}`,
    gatewayToken: token,
    dashboardUrl: "https://gateway.tail1234.ts.net/",
  });
  assert.equal(tokenIsSecret, true);
});
