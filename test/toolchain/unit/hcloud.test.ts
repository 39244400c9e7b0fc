import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { UNKNOWN, isSecret, type Value, type ValueMap } from "../../../toolchain/standins/rpc/values";
import { Cloud, action, error, serverBody } from "../support/cloud";
import { PluginProcess, failureDetail } from "../support/plugin";

const TYPES = {
  server: "server:Server",
  key: "sshKey:SshKey",
  firewall: "firewall:Firewall",
  ip: "primaryIp:PrimaryIp",
};

let cloud: Cloud;
let started: PluginProcess;
const plugins = {} as Record<keyof typeof TYPES, PluginProcess>;

before(async () => {
  cloud = await Cloud.start();
  const config = { endpoint: cloud.endpoint, token: "right", pollInterval: "5ms" };
  // One process for all types, as the engine has it.
  started = await PluginProcess.start("hcloud", `hcloud:index/${TYPES.server}`, config);
  for (const [name, type] of Object.entries(TYPES)) {
    plugins[name as keyof typeof TYPES] = started.withType(`hcloud:index/${type}`);
  }
});

after(async () => {
  await started.stop();
  await cloud.stop();
});

beforeEach(() => {
  cloud.calls.length = 0;
  cloud.answers.clear();
  cloud.answers.set("GET server_types", { server_types: [{ id: 1, name: "cx23", architecture: "x86" }] });
  cloud.answers.set("GET images", { images: [{ id: 7, name: "debian-13" }] });
  cloud.answers.set("GET ssh_keys/9", { ssh_key: { id: 9, name: "k" } });
  cloud.answers.set("GET servers/42", { server: serverBody() });
});

const basic: ValueMap = { name: "web", serverType: "cx23", image: "debian-13", location: "fsn1" };

/** A value of an output that must be text. */
function shown(value: Value | undefined): string {
  assert.equal(typeof value, "string");
  return value as string;
}

async function checked(plugin: PluginProcess, inputs: ValueMap): Promise<ValueMap> {
  const { inputs: complete, failures } = await plugin.check(inputs);
  assert.deepEqual(failures, {});
  return complete;
}

/** A server that was made with these inputs. */
async function made(inputs: ValueMap): Promise<{ inputs: ValueMap; outputs: ValueMap }> {
  cloud.answers.set("POST servers", { server: serverBody(), action: action(), next_actions: [] });
  const complete = await checked(plugins.server, inputs);
  const { outputs } = await plugins.server.create(complete);
  return { inputs: complete, outputs };
}

void describe("Server", () => {
  void it("is created with everything that counts before its first boot, and read back", async () => {
    const more = { sshKeys: ["9"], firewallIds: [3], labels: { a: "b" }, userData: "#cloud-config\n" };
    const publicNets = [{ ipv4: 5, ipv6Enabled: false }];
    const { outputs } = await made({ ...basic, ...more, publicNets });
    assert.deepEqual(cloud.body("POST servers"), {
      name: "web",
      server_type: "cx23",
      image: 7,
      location: "fsn1",
      user_data: "#cloud-config\n",
      ssh_keys: [9],
      labels: { a: "b" },
      firewalls: [{ firewall: 3 }],
      public_net: { enable_ipv4: true, enable_ipv6: false, ipv4: 5 },
    });
    const { ipv4Address, ipv6Address, ipv6Network, status, userData } = outputs;
    assert.deepEqual([ipv4Address, ipv6Address, ipv6Network], ["10.0.0.9", "2001:db8::1", "2001:db8::/64"]);
    // Terraform's provider keeps a SHA-1 of user_data in its state, not the text.
    assert.deepEqual([status, userData], ["running", "wK9leoEi2xH7hUH5D+q3hxwsPXE="]);
    assert.ok(cloud.asked().includes("GET images?architecture=x86&include_deprecated=true&name=debian-13"));
  });

  void it("waits for its actions, and shows how far they are", async () => {
    let polls = 0;
    cloud.answers.set("GET actions", () => ({ actions: [action(++polls < 3 ? "running" : "success", 8)] }));
    cloud.answers.set("POST servers", { server: serverBody(), action: action("running", 8), next_actions: [] });
    await plugins.server.create(await checked(plugins.server, basic));
    assert.equal(polls, 3);
    assert.ok(plugins.server.messages("info", true).includes("do_it 40 %"));
  });

  void it("is kept, tainted, if an action fails after it was made", async () => {
    cloud.answers.set("POST servers", { server: serverBody(), action: action("error"), next_actions: [] });
    const inputs = await checked(plugins.server, basic);
    const failure = await plugins.server.create(inputs).then(
      () => assert.fail("it did not fail"),
      (reason: unknown) => reason,
    );
    assert.match((failure as Error).message, /action do_it failed: no luck \(action_failed/);
    assert.equal(failureDetail(failure)?.getId(), "42");
  });

  void it("gets backups and protection when it is there", async () => {
    cloud.answers.set("POST servers/42/actions/enable_backup", { action: action() });
    cloud.answers.set("POST servers/42/actions/change_protection", { action: action() });
    await made({ ...basic, backups: true, deleteProtection: true, rebuildProtection: true });
    const protection = cloud.body("POST servers/42/actions/change_protection");
    assert.deepEqual(protection, { delete: true, rebuild: true });
    assert.ok(cloud.asked().includes("POST servers/42/actions/enable_backup"));
  });

  void it("is replaced for image, location, userData and sshKeys, deleting first because of its name", async () => {
    const { inputs, outputs } = await made({ ...basic, userData: "a", sshKeys: ["9"] });
    for (const [key, value] of Object.entries({ image: "x", location: "y", userData: "b", sshKeys: ["8"] })) {
      const diff = await plugins.server.diff(outputs, inputs, { ...inputs, [key]: value });
      assert.match(diff.replaces.join(), new RegExp(`^${key}(\\[0\\])?$`));
      assert.ok(diff.deleteBeforeReplace);
    }
  });

  void it("is updated in place for the rest, in the official order", async () => {
    const { inputs, outputs } = await made({ ...basic, firewallIds: [3] });
    for (const name of ["poweroff", "change_type", "enable_backup", "change_protection"]) {
      cloud.answers.set(`POST servers/42/actions/${name}`, { action: action() });
    }
    cloud.answers.set("POST firewalls/3/actions/remove_from_resources", { actions: [action()] });
    cloud.answers.set("POST firewalls/4/actions/apply_to_resources", { actions: [action()] });
    cloud.answers.set("PUT servers/42", { server: serverBody() });
    const changes = { name: "new", labels: { x: "y" }, serverType: "cx33", backups: true, deleteProtection: true };
    const news = { ...inputs, ...changes, rebuildProtection: true, firewallIds: [4] };
    assert.deepEqual((await plugins.server.diff(outputs, inputs, news)).replaces, []);
    cloud.asked();
    await plugins.server.update("42", outputs, news);
    assert.deepEqual(cloud.asked(), [
      "GET servers/42",
      "PUT servers/42",
      "PUT servers/42",
      "POST servers/42/actions/poweroff",
      "POST servers/42/actions/change_type",
      "POST servers/42/actions/enable_backup",
      "POST firewalls/3/actions/remove_from_resources",
      "POST firewalls/4/actions/apply_to_resources",
      "POST servers/42/actions/change_protection",
      "GET servers/42",
    ]);
  });

  void it("does not change for what Hetzner filled in, for an order, or for an empty list", async () => {
    const { inputs, outputs } = await made({
      name: "web",
      serverType: "cx23",
      image: "debian-13",
      firewallIds: [3, 2],
    });
    outputs["firewallIds"] = [2, 3];
    assert.equal((await plugins.server.diff(outputs, inputs, { ...inputs, labels: {} })).changed, false);
  });

  void it("is off while its address changes", async () => {
    const { inputs, outputs } = await made({ ...basic, publicNets: [{ ipv4: 5 }] });
    for (const path of [
      "servers/42/actions/poweroff",
      "servers/42/actions/poweron",
      "primary_ips/5/actions/unassign",
    ]) {
      cloud.answers.set(`POST ${path}`, { action: action() });
    }
    cloud.answers.set("POST primary_ips/8/actions/assign", { action: action() });
    const news = await checked(plugins.server, { ...basic, publicNets: [{ ipv4: 8 }] });
    assert.deepEqual((await plugins.server.diff(outputs, inputs, news)).replaces, []);
    cloud.asked();
    await plugins.server.update("42", outputs, news);
    const posts = cloud.asked().filter((call) => call.startsWith("POST"));
    const order = ["servers/42/actions/poweroff", "primary_ips/5/actions/unassign", "primary_ips/8/actions/assign"];
    assert.deepEqual(
      posts,
      [...order, "servers/42/actions/poweron"].map((path) => `POST ${path}`),
    );
  });

  void it("shows drift after a refresh, and is forgotten when it is gone", async () => {
    const { inputs, outputs } = await made({ ...basic, labels: { a: "b" }, userData: "text" });
    cloud.answers.set("GET servers/42", { server: serverBody({ labels: { a: "changed" } }) });
    const read = await plugins.server.read("42", inputs, outputs);
    assert.deepEqual(read.outputs["labels"], { a: "changed" });
    assert.deepEqual([read.inputs["userData"], read.outputs["userData"]], ["text", outputs["userData"]]);
    const diff = await plugins.server.diff(read.outputs, inputs, inputs);
    assert.deepEqual(diff.paths, ["labels.a"]);
    cloud.answers.delete("GET servers/42");
    assert.equal((await plugins.server.read("42", inputs, outputs)).id, "");
  });

  void it("knows in a preview only what stays", async () => {
    const { outputs } = await plugins.server.create(await checked(plugins.server, basic), true);
    assert.deepEqual([outputs["name"], outputs["ipv4Address"], outputs["firewallIds"]], ["web", UNKNOWN, UNKNOWN]);
    const { inputs, outputs: state } = await made(basic);
    const updated = await plugins.server.update("42", state, { ...inputs, labels: { a: "b" } }, true);
    assert.equal(updated["ipv4Address"], "10.0.0.9");
  });

  void it("refuses what the stand-in does not cover, and labels that Hetzner would not take", async () => {
    const { failures } = await plugins.server.check({ ...basic, rescue: "linux64", labels: { ok: "not ok" } });
    assert.match(failures["rescue"] ?? "", /not covered by this stand-in/);
    const labels = await plugins.server.check({ ...basic, labels: { ok: "not ok", "-bad": "x" } });
    assert.deepEqual(Object.keys(labels.failures).sort(), ["labels.-bad", "labels.ok"]);
  });

  void it("names what does not exist", async () => {
    cloud.answers.set("GET images", { images: [] });
    const create = plugins.server.create(await checked(plugins.server, basic));
    await assert.rejects(create, /image debian-13 for architecture x86 not found/);
  });
});

void describe("SshKey", () => {
  const publicKey = "ssh-ed25519 AAAA";

  void it("gets a name of its own, which stays", async () => {
    const first = await checked(plugins.key, { publicKey });
    assert.match(shown(first["name"]), /^thing-[0-9a-f]{7}$/);
    const { inputs: second } = await plugins.key.check({ publicKey }, first);
    assert.equal(second["name"], first["name"]);
    const state: ValueMap = { name: shown(first["name"]), publicKey, fingerprint: "f", labels: {} };
    const replaced = await plugins.key.diff(state, first, { ...second, publicKey: "other" });
    assert.deepEqual([replaced.replaces, replaced.deleteBeforeReplace], [["publicKey"], false]);
  });

  void it("is gone when it is not found", async () => {
    await plugins.key.delete("9", {});
    assert.deepEqual(cloud.asked(), ["DELETE ssh_keys/9"]);
  });

  void it("passes on what the API complains about", async () => {
    const fields = [{ name: "public_key", messages: ["is no key"] }];
    cloud.answers.set("POST ssh_keys", error("invalid_input", "invalid input", fields));
    const create = plugins.key.create(await checked(plugins.key, { publicKey }));
    await assert.rejects(create, /invalid input \(invalid_input\): \[public_key => \[is no key\]\]/);
  });
});

void describe("Firewall", () => {
  const rule = { direction: "in", protocol: "tcp", port: "22", sourceIps: ["0.0.0.0/0", "2001:DB8::1"] };
  const shown = { direction: "in", protocol: "tcp", port: "22", source_ips: ["2001:db8::1/128", "0.0.0.0/0"] };

  void it("is made with networks in Hetzner's form, and equal to what comes back in another order", async () => {
    const body = { firewall: { id: 3, name: "f", labels: {}, rules: [shown], applied_to: [] } };
    cloud.answers.set("POST firewalls", { ...body, actions: [] });
    cloud.answers.set("GET firewalls/3", body);
    const inputs = await checked(plugins.firewall, { name: "f", rules: [rule] });
    const { outputs } = await plugins.firewall.create(inputs);
    const sent = cloud.body("POST firewalls")?.["rules"] as Record<string, unknown>[];
    assert.deepEqual(sent[0]?.["source_ips"], ["0.0.0.0/0", "2001:db8::1/128"]);
    assert.equal((await plugins.firewall.diff(outputs, inputs, inputs)).changed, false);
    const other = await checked(plugins.firewall, { name: "f", rules: [{ ...rule, port: "2222" }] });
    const changed = await plugins.firewall.diff(outputs, inputs, other);
    assert.ok(changed.changed);
    assert.deepEqual(changed.replaces, []);
  });

  void it("keeps its last rule, as the official provider does", async () => {
    cloud.answers.set("GET firewalls/3", {
      firewall: { id: 3, name: "f", labels: {}, rules: [shown], applied_to: [] },
    });
    cloud.answers.set("POST firewalls/3/actions/set_rules", { actions: [action()] });
    const olds = { name: "f", labels: {}, rules: [rule] };
    await plugins.firewall.update("3", olds, { name: "f", rules: [] });
    assert.ok(!cloud.asked().some((call) => call.includes("set_rules")));
    await plugins.firewall.update("3", olds, { name: "f", rules: [{ ...rule, port: "2222" }] });
    assert.ok(cloud.asked().some((call) => call.includes("set_rules")));
  });

  void it("refuses addresses that are none, and networks with host bits", async () => {
    const rules = [{ ...rule, sourceIps: ["10.0.0.1/8", "nowhere", "10.0.0.0/8", "2001:db8::/32", "fe80::1/64"] }];
    const { failures } = await plugins.firewall.check({ name: "f", rules });
    assert.match(failures["rules[0].sourceIps"] ?? "", /fe80::1\/64/);
    const good = await plugins.firewall.check({ name: "f", rules: [{ ...rule, sourceIps: ["10.0.0.0/8", "::/0"] }] });
    assert.deepEqual(good.failures, {});
  });

  void it("lets go of its servers before it is deleted", async () => {
    const applied = [{ type: "server", server: { id: 42 } }];
    cloud.answers.set("GET firewalls/3", { firewall: { id: 3, name: "f", rules: [], applied_to: applied } });
    cloud.answers.set("POST firewalls/3/actions/remove_from_resources", { actions: [action()] });
    cloud.answers.set("DELETE firewalls/3", {});
    await plugins.firewall.delete("3", {});
    assert.deepEqual(cloud.body("POST firewalls/3"), { remove_from: applied });
    assert.equal(cloud.asked().at(-1), "DELETE firewalls/3");
  });
});

void describe("PrimaryIp", () => {
  const body = { id: 5, name: "ip", type: "ipv4", ip: "10.0.0.9", location: { name: "fsn1" }, assignee_id: null };

  void it("is made in a location, and gives its address", async () => {
    cloud.answers.set("POST primary_ips", { primary_ip: body, action: null });
    cloud.answers.set("GET primary_ips/5", { primary_ip: body });
    const inputs = await checked(plugins.ip, { name: "ip", type: "ipv4", location: "fsn1" });
    const { id, outputs } = await plugins.ip.create(inputs);
    assert.deepEqual([id, outputs["ipAddress"]], ["5", "10.0.0.9"]);
    const replaced = await plugins.ip.diff(outputs, inputs, { ...inputs, location: "nbg1" });
    assert.deepEqual(replaced.replaces, ["location"]);
    // A server took it meanwhile: nothing of the program's concern.
    assert.equal((await plugins.ip.diff({ ...outputs, assigneeId: 42 }, inputs, inputs)).changed, false);
  });

  void it("needs one place, a location or an assignee", async () => {
    for (const place of [{}, { location: "fsn1", assigneeId: 1, assigneeType: "server" }]) {
      const { failures } = await plugins.ip.check({ name: "ip", type: "ipv4", ...place });
      assert.match(failures["location"] ?? "", /exactly one of/);
    }
  });
});

void describe("configuration", () => {
  const start = (config: ValueMap) => PluginProcess.start("hcloud", "hcloud:index/sshKey:SshKey", config);

  void it("refuses an endpoint off this machine, also the real one, and names the official plugin", async () => {
    const far = start({ endpoint: "http://192.0.2.77/v1", token: "right" });
    await assert.rejects(
      far,
      /hcloud:endpoint is 192\.0\.2\.77, which is not on this machine: .*official hcloud plugin/,
    );
    await assert.rejects(start({ token: "right" }), /hcloud:endpoint is api\.hetzner\.cloud.*, which is not on this/);
  });

  void it("says what is wrong with a duration", async () => {
    const wrong = start({ endpoint: cloud.endpoint, token: "right", pollInterval: "soon" });
    await assert.rejects(wrong, /hcloud:pollInterval is soon: expected a duration such as 500ms/);
  });

  void it("shows that a token is wrong", async () => {
    const plugin = await start({ endpoint: cloud.endpoint, token: "wrong" });
    try {
      await assert.rejects(plugin.create({ name: "k", publicKey: "x" }), /unauthorized \(unauthorized\)/);
    } finally {
      await plugin.stop();
    }
  });

  void it("says how to start a lab that does not answer", async () => {
    const plugin = await start({ endpoint: "http://127.0.0.1:65533/v1", token: "right" });
    try {
      await assert.rejects(
        plugin.create({ name: "k", publicKey: "x" }),
        /ECONNREFUSED.*is the lab running\? \(npm run up\)/,
      );
    } finally {
      await plugin.stop();
    }
  });

  void it("keeps the token secret", async () => {
    const { inputs } = await plugins.key.checkConfig({ token: "t", endpoint: "http://127.0.0.1/v1" });
    assert.ok(isSecret(inputs["token"]));
  });
});
