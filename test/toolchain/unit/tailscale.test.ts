import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { instanceOf } from "../../../lab/instances";
import { tailnetAccess } from "../../../lab/tailnet/access";
import { buildTailnetApi } from "../../../lab/tailnet/api/app";
import { TailnetError } from "../../../lab/tailnet/errors";
import { TailnetStore } from "../../../lab/tailnet/store";
import { Tailnet, type Backend, type PreAuthKey } from "../../../lab/tailnet/tailnet";
import { canonicalHujson } from "../../../lib/hujson";
import { UNKNOWN, isSecret, type ValueMap } from "../../../toolchain/standins/rpc/values";
import { PluginProcess } from "../support/plugin";

/** A control server that only keeps keys, and a judge to whom every policy is right but one. */
class FakeBackend implements Backend {
  readonly keys: { id: string; key: string; used: boolean; reusable: boolean }[] = [];

  call<T>(method: string, path: string): Promise<T> {
    if (method === "POST" && path === "preauthkey") {
      const key = { id: String(this.keys.length + 1), key: "hskey-auth-secret", used: false, reusable: false };
      this.keys.push(key);
      return Promise.resolve({ preAuthKey: key satisfies PreAuthKey } as T);
    }
    return Promise.resolve({ preAuthKeys: this.keys, users: [], user: { id: "1", name: "" } } as T);
  }

  ensure(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
  judge(policy: string): ReturnType<Backend["judge"]> {
    if (policy.includes("wrong")) {
      const errors = ['address "tag:web:22": want: Accept, got: Drop'];
      return Promise.reject(new TailnetError(400, "test(s) failed", [{ user: "alice@example.com", errors }]));
    }
    return Promise.resolve({ json: {}, served: policy, users: [], tags: ["tag:web", "tag:db"] });
  }
}

const backend = new FakeBackend();
const tailnet = new Tailnet(instanceOf("test"), new TailnetStore(), backend);
const app = buildTailnetApi(tailnet, () => undefined);
const plugins: PluginProcess[] = [];
let acl: PluginProcess;
let key: PluginProcess;
let dns: PluginProcess;
let baseUrl = "";

async function start(type: string, config: ValueMap = { apiKey: tailnetAccess.apiKey }): Promise<PluginProcess> {
  const plugin = await PluginProcess.start("tailscale", `tailscale:index/${type}`, { baseUrl, ...config });
  plugins.push(plugin);
  return plugin;
}

before(async () => {
  baseUrl = await app.listen({ host: "127.0.0.1", port: 0 });
  const { oauthClientId, oauthClientSecret } = tailnetAccess;
  acl = await start("acl:Acl");
  key = await start("tailnetKey:TailnetKey", { oauthClientId, oauthClientSecret, scopes: '["auth_keys"]' });
  dns = acl.withType("tailscale:index/dnsPreferences:DnsPreferences");
});

after(async () => {
  for (const plugin of plugins) await plugin.stop();
  await app.close();
});

async function checked(plugin: PluginProcess, inputs: ValueMap): Promise<ValueMap> {
  const { inputs: complete, failures } = await plugin.check(inputs);
  assert.deepEqual(failures, {});
  return complete;
}

void describe("Acl", () => {
  void it("sets a new tailnet's policy, and leaves another one alone unless told otherwise", async () => {
    const inputs = await checked(acl, { acl: '{"grants": []}' });
    const { outputs } = await acl.create(inputs);
    assert.equal(tailnet.store.state.policy, '{"grants": []}');
    assert.equal(outputs["acl"], '{"grants": []}');
    await assert.rejects(acl.create(inputs), /Overwrite Protected: .*import the ACL first/);
    await acl.create({ ...inputs, overwriteExistingContent: true });
  });

  void it("judges a policy in the preview, and sets none that fails", async () => {
    for (const preview of [true, false]) {
      const creation = acl.create({ acl: '{"wrong": 1}', overwriteExistingContent: true }, preview);
      await assert.rejects(
        creation,
        /Invalid ACL: .*test\(s\) failed; alice@example.com: address "tag:web:22": want: Accept/,
      );
    }
    assert.doesNotMatch(tailnet.store.state.policy, /wrong/);
    await acl.create({ acl: UNKNOWN }, true);
  });

  void it("is imported by any id, and shows drift, but not another layout", async () => {
    tailnet.store.state.policy = '// by hand\n{"grants": [],}';
    const { id, outputs, inputs } = await acl.read("acl", {}, {});
    assert.deepEqual(
      [id, outputs["acl"], inputs["acl"]],
      ["acl", tailnet.store.state.policy, tailnet.store.state.policy],
    );
    const same = await acl.diff(outputs, inputs, { acl: '// by hand\n{\n  "grants": [\n  ]\n}\n' });
    assert.equal(same.changed, false);
    const other = await acl.diff(outputs, inputs, { acl: '{"grants": []}' });
    assert.deepEqual([other.changed, other.replaces], [true, []]);
  });

  void it("stays when the resource goes, or is reset if asked to", async () => {
    const policy = tailnet.store.state.policy;
    await acl.delete("id", { acl: policy });
    assert.equal(tailnet.store.state.policy, policy);
    await acl.delete("id", { acl: policy, resetAclOnDestroy: true });
    assert.match(tailnet.store.state.policy, /The policy of a new tailnet/);
  });

  void it("is read by getAcl, as it stands and as JSON; the plugin knows no other function", async () => {
    tailnet.store.state.policy = '// by hand\n{"grants": [{"src": ["a//b"],},], /* no */}';
    const { hujson, json, id } = await acl.invoke("tailscale:index/getAcl:getAcl");
    assert.deepEqual([hujson, typeof id], [tailnet.store.state.policy, "string"]);
    assert.deepEqual(JSON.parse(json as string), { grants: [{ src: ["a//b"] }] });
    await assert.rejects(
      acl.invoke("tailscale:index/getDevice:getDevice"),
      /stand-in tailscale plugin does not cover tailscale:index\/getDevice:getDevice, only tailscale:index\/getAcl:getAcl/,
    );
  });

  void it("compares policies as HuJSON's formatter would", () => {
    assert.equal(canonicalHujson('{"a":[1,2,],}'), canonicalHujson('{\n  "a": [1, 2]\n}\n'));
    assert.notEqual(canonicalHujson('{"a": "b c"}'), canonicalHujson('{"a": "bc"}'));
    assert.notEqual(canonicalHujson('{"a": 12}'), canonicalHujson('{"a": [1, 2]}'));
    assert.notEqual(canonicalHujson('{"a": 1} // x'), canonicalHujson('{"a": 1}'));
  });
});

void describe("TailnetKey", () => {
  const wanted = { tags: ["tag:web"], preauthorized: true, expiry: 3600, description: "host a" };

  void it("is made as an OAuth client, its key a secret, and reads back unchanged", async () => {
    const inputs = await checked(key, wanted);
    const { id, outputs } = await key.create(inputs);
    assert.ok(isSecret(outputs["key"]));
    assert.deepEqual([outputs["expiry"], outputs["invalid"], outputs["userId"]], [3600, false, ""]);
    const read = await key.read(id, inputs, outputs);
    assert.deepEqual(read.outputs, outputs);
    assert.equal((await key.diff(read.outputs, read.inputs, inputs)).changed, false);
    await key.delete(id, outputs);
    await key.delete(id, outputs);
  });

  void it("is replaced by any change", async () => {
    const inputs = await checked(key, wanted);
    const { outputs } = await key.create(inputs);
    const changes = {
      tags: ["tag:db"],
      expiry: 60,
      description: "b",
      reusable: true,
      ephemeral: true,
      preauthorized: false,
    };
    for (const [name, value] of Object.entries(changes)) {
      const { replaces } = await key.diff(outputs, inputs, { ...inputs, [name]: value });
      assert.match(replaces.join(), new RegExp(`^${name}(\\[0\\])?$`));
    }
    const { failures } = await key.check({ ...wanted, description: "x".repeat(51) });
    assert.match(failures["description"] ?? "", /at most 50, got: 51/);
  });

  void it("that was used or deleted is not made again, unless told to", async () => {
    const inputs = await checked(key, wanted);
    const { id, outputs } = await key.create(inputs);
    for (const spoil of ["used", "deleted"]) {
      const last = backend.keys.at(-1);
      if (last !== undefined) last.used = true;
      if (spoil === "deleted") await key.delete(id, outputs);
      const { outputs: now } = await key.read(id, inputs, outputs);
      assert.equal(now["invalid"], true, spoil);
      assert.equal((await key.diff(now, inputs, inputs)).changed, false);
      assert.deepEqual((await key.diff(now, inputs, { ...inputs, recreateIfInvalid: "always" })).replaces, ["invalid"]);
    }
  });

  void it("needs a tag that the policy defines, and a scope", async () => {
    await assert.rejects(
      key.create(await checked(key, { tags: ["tag:x"] })),
      /requested tags \[tag:x\] are invalid .*\(400\)/,
    );
    await assert.rejects(key.create(await checked(key, {})), /tailnet-owned auth key must have tags set \(400\)/);
    const { oauthClientId, oauthClientSecret } = tailnetAccess;
    const other = await start("tailnetKey:TailnetKey", { oauthClientId, oauthClientSecret, scopes: '["dns"]' });
    await assert.rejects(other.create(await checked(other, wanted)), /enough permissions .*\(403\)/);
  });
});

void describe("DnsPreferences", () => {
  void it("switches MagicDNS, shows drift, and switches it off at the end", async () => {
    const inputs = await checked(dns, { magicDns: true });
    const { id, outputs } = await dns.create(inputs);
    tailnet.store.state.magicDns = false;
    const read = await dns.read(id, inputs, outputs);
    assert.deepEqual((await dns.diff(read.outputs, read.inputs, inputs)).paths, ["magicDns"]);
    await dns.update(id, read.outputs, inputs);
    assert.equal(tailnet.store.state.magicDns, true);
    await dns.delete(id, outputs);
    assert.equal(tailnet.store.state.magicDns, false);
  });
});

void describe("the tailscale plugin", () => {
  void it("refuses Tailscale's own service, and credentials that say two things", async () => {
    const config = { apiKey: "x", baseUrl: "https://192.0.2.1" };
    await assert.rejects(start("acl:Acl", config), /tailscale:baseUrl is 192.0.2.1, which is not on this machine/);
    await assert.rejects(start("acl:Acl", { apiKey: "x", oauthClientId: "y" }), /credentials are conflicting/);
    await assert.rejects(start("acl:Acl", {}), /credentials are empty/);
  });
});
