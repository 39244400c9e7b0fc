import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { Before, EarlierCommand } from "../../components/before";
import { parseConfig } from "../../lib/config";
import { digest, signedPart } from "../../lib/envelope";
import { sshKeyPair } from "../../lib/keys";
import { type Declared, nothingBefore, recordResources, valueOf } from "./mocks";

// A change is undone by one `pulumi up`, and both send just the layers that the key concerns: for each key of the configuration.

type Group = Readonly<Record<string, unknown>>;
const key = (name: string) => sshKeyPair(Buffer.from(name).toString("hex").padEnd(64, "0"), name).publicKey;
const base = { authorizedKeys: [key("one")] };
const hash = "ab".repeat(32);
const everyLayer = [
  ...["audit", "dashboard", "fail2ban", "firewall", "gateway", "gateway-token", "kernel", "management", "openclaw"],
  ...["packages", "receiver", "ssh", "tailnet", "tailscale", "updates", "users"],
];

/** A value of each key, other than the default, and the layers that a change to it sends. The audit always looks once more. */
const changes: Readonly<Record<string, readonly [Group, ...(readonly string[])]>> = {
  sshPort: [{ sshPort: 2222 }, "fail2ban", "firewall", "management", "ssh"],
  previousSshPort: [{ previousSshPort: 2222 }, "fail2ban", "firewall", "management", "ssh"],
  authorizedKeys: [{ authorizedKeys: [key("one"), key("two")] }, "management", "users"],
  "limits.memoryMax": [{ limits: { memoryMax: "3G" } }, "gateway", "management"],
  "limits.tasksMax": [{ limits: { tasksMax: 200 } }, "gateway", "management"],
  "fail2ban.maxretry": [{ fail2ban: { maxretry: 4 } }, "fail2ban", "management"],
  "fail2ban.findtime": [{ fail2ban: { findtime: 700 } }, "fail2ban", "management"],
  "fail2ban.bantime": [{ fail2ban: { bantime: 7200 } }, "fail2ban", "management"],
  "fail2ban.ignoreip": [{ fail2ban: { ignoreip: ["198.51.100.7"] } }, "fail2ban", "management"],
  "updates.reboot": [{ updates: { reboot: "automatic" } }, "management", "updates"],
  "updates.rebootTime": [{ updates: { reboot: "automatic", rebootTime: "03:10" } }, "management", "updates"],
  kernel: [{ kernel: "leave" }, "kernel", "management"],
  "openclaw.settings": [{ openclaw: { settings: { ui: { seamColor: "#123456" } } } }, "gateway"],
  "openclaw.registry": [{ openclaw: { registry: "https://mirror.example/" } }, "openclaw"],
  "tailnet.enabled": [{ tailnet: { enabled: false } }, "gateway", "management", "tailscale"],
  "tailnet.tags": [{ tailnet: { tags: ["tag:other"] } }, "tailnet"],
  "tailnet.https": [{ tailnet: { https: false } }, "dashboard", "gateway", "management"],
  "tailnet.sshOnly": [{ tailnet: { sshOnly: true } }, "firewall", "management"],
  "tailnet.previousSshOnly": [{ tailnet: { previousSshOnly: true } }, "firewall", "management"],
  "tailnet.address": [{ tailnet: { sshOnly: true, address: "100.64.0.7" } }, "firewall", "management"],
  "tailnet.loginServer": [
    { tailnet: { loginServer: "https://control.example" } },
    "dashboard",
    "gateway",
    "management",
    "tailnet",
  ],
  "tailnet.archive.baseUrl": [{ tailnet: { archive: { baseUrl: "https://mirror.example/" } } }, "tailscale"],
  "tailnet.archive.sha256.amd64": [{ tailnet: { archive: { sha256: { amd64: hash } } } }, "management", "tailscale"],
  "tailnet.archive.sha256.arm64": [{ tailnet: { archive: { sha256: { arm64: hash } } } }, "management", "tailscale"],
  serial: [{ serial: 900_000_000_000_000 }, ...everyLayer],
};
/** Keys that concern no layer: what the machine is, and what the tailnet's policy says. */
const elsewhere = [
  ...["hosts", "target", "primaryUser", "server.type", "server.image", "server.location", "server.backups"],
  ...["existing.address", "existing.port", "existing.user", "existing.privateKey", "existing.hostKey"],
  ...["existing.trustOnFirstUse", "tailnet.users", "tailnet.acl", "tailnet.overwriteAcl"],
];

const declared = recordResources();
let first: Before = nothingBefore;

/** A run of the program: what it leaves in the state. */
async function run(config: Group, before: Before): Promise<Before> {
  const { Host } = await import("../../components/host");
  const { hosts, serial } = parseConfig({ ...base, ...config }, ".");
  const settings = hosts.get("gateway");
  assert.ok(settings);
  declared.length = 0;
  // Pulumi writes a stack trace for each of thousands of promises, which is a fifth of all that a run costs.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    await valueOf(new Host("gateway", { ...settings, leastSerial: serial, before }).audit);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const commands = new Map(declared.flatMap(command));
  const layers = [...commands].flatMap(([name, { stdin }]) =>
    name.endsWith("-apply")
      ? [[name.replace(/-apply$/, ""), { digest: digest(signedPart(stdin)), serial: serialIn(stdin) }] as const]
      : [],
  );
  return { commands, layers: new Map(layers) };
}

function command({ type, name, inputs, outputs }: Declared): [string, EarlierCommand][] {
  return type === "command:remote:Command"
    ? [[name, { create: String(inputs["create"]), stdin: String(inputs["stdin"]), stdout: String(outputs["stdout"]) }]]
    : [];
}

/** The layers whose envelope differs from the one before, and that are there in both. */
function sent(from: Before, to: Before): string[] {
  const names = [...to.commands.keys()].filter((name) => name.endsWith("-apply") && from.commands.has(name));
  return names
    .filter((name) => from.commands.get(name)?.stdin !== to.commands.get(name)?.stdin)
    .map((name) => name.replace(/^gateway-(.*)-apply$/, "$1"))
    .sort();
}

const serialIn = (envelope: string) => Number(/^serial (\d+)$/m.exec(envelope)?.[1]);
const serialOf = ({ commands }: Before, layer: string) => serialIn(commands.get(`gateway-${layer}-apply`)?.stdin ?? "");

before(async () => {
  first = await run({}, nothingBefore);
});

/** Those of these layers, and the audit, that a run sent, each under a higher serial than before. */
function checkSent(from: Before, to: Before, layers: readonly string[]): void {
  const expected = [...new Set([...layers, "audit"])].sort();
  assert.deepEqual(sent(from, to), expected);
  for (const layer of expected) {
    assert.ok(serialOf(to, layer) > serialOf(from, layer), layer);
  }
}

const changedTo = new Map<string, Promise<Before>>();

/** What a change of this key leaves in the state. */
function changed(name: string): Promise<Before> {
  const made = changedTo.get(name) ?? run(changes[name]?.[0] ?? assert.fail(name), first);
  changedTo.set(name, made);
  return made;
}

for (const [name, [, ...layers]] of Object.entries(changes)) {
  void test(`${name}: a change sends the layers that it concerns, and changed back they go again, under a higher serial yet`, async () => {
    const there = await changed(name);
    checkSent(first, there, layers);
    const back = await run({}, there);
    // The lowest serial is lower again, and those that were sent are high enough for it.
    if (name === "serial") assert.deepEqual(sent(there, back), []);
    else checkSent(there, back, layers);
  });
}

void test("the page for operators says which layers a change sends", () => {
  const page = readFileSync(join(__dirname, "../../docs/change-a-setting.md"), "utf8");
  const rows = [...page.matchAll(/^\| (`[^|]*`) +\| ([^|]*?) +\|/gm)].flatMap(([, keys = "", layers = ""]) =>
    [...keys.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => [name, layers] as const),
  );
  const told = Object.entries(changes).map(([name, [, ...layers]]) => [
    name,
    layers.length === everyLayer.length ? "all of them" : layers.join(", "),
  ]);
  assert.deepEqual(Object.fromEntries(rows), Object.fromEntries(told));
});

void test("what has been sent and answered isn't sent again", async () => {
  assert.deepEqual(sent(first, await run({}, first)), []);
});

void test("the table has every key of the configuration", () => {
  const page = readFileSync(join(__dirname, "../../docs/configuration.md"), "utf8");
  const keys = [...page.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, cell = ""]) => cell);
  assert.deepEqual([...Object.keys(changes), ...elsewhere].sort(), keys.sort());
});

void test("a change whose run failed, and that is given up: the host may have it, so what was before is sent again", async () => {
  const there = await changed("fail2ban.maxretry");
  const failed = { commands: first.commands, layers: there.layers };
  const back = await run({}, failed);
  assert.deepEqual(sent(first, back), ["audit", "fail2ban", "management"]);
  assert.ok(serialOf(back, "fail2ban") > serialOf(there, "fail2ban"));
});

void test("an answer that isn't the host's own is no reason to keep an envelope, whatever the answer says", async () => {
  const earlier = (layer: string) => first.commands.get(`gateway-${layer}-apply`) ?? assert.fail(layer);
  const forgeries = {
    kernel: "",
    packages: "packages: done",
    updates: earlier("updates").stdout.replace("done", "gone"),
    users: earlier("kernel").stdout,
  };
  const forged = Object.entries(forgeries).map(([layer, stdout]) => {
    return [`gateway-${layer}-apply`, { ...earlier(layer), stdout }] as const;
  });
  const commands = new Map([...first.commands, ...forged]);
  assert.deepEqual(sent(first, await run({}, { ...first, commands })), ["audit", ...Object.keys(forgeries)]);
  assert.ok(earlier("kernel").stdout.includes(digest(signedPart(earlier("kernel").stdin))));
});

void test("the takeover is for hosts of the first format, and stays the same", async () => {
  const contact = first.commands.get("gateway-contact-key");
  assert.ok(contact);
  assert.equal(first.commands.has("gateway-receiver-takeover"), false);
  const commands = new Map([...first.commands, ["gateway-contact-key", { ...contact, create: "first-contact" }]]);
  const old = { ...first, commands };
  const taken = await run({}, old);
  assert.match(
    taken.commands.get("gateway-receiver-takeover")?.stdin ?? "",
    /^monoclaw-envelope 1\nhost [0-9a-f]{32}\nlayer receiver\ngeneration 999999999\n/,
  );
  assert.deepEqual(sent(old, taken), []);
  await pulumi.runtime.disconnect();
});
