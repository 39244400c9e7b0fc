import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { UNKNOWN, isSecret, reveal, type ValueMap } from "../../../toolchain/standins/rpc/values";
import { PluginProcess } from "../support/plugin";

let plugin: PluginProcess;

before(async () => {
  plugin = await PluginProcess.start("random", "random:index/randomBytes:RandomBytes");
});

after(() => plugin.stop());

void describe("RandomBytes", () => {
  void it("gives as many bytes as asked for, in hex and base64, both secret", async () => {
    const { id, outputs } = await plugin.create({ length: 32 });
    const { hex, base64, length } = outputs;
    assert.ok(isSecret(hex) && isSecret(base64));
    assert.match(reveal(hex) as string, /^[0-9a-f]{64}$/);
    assert.equal(Buffer.from(reveal(base64) as string, "base64").toString("hex"), reveal(hex));
    assert.equal(length, 32);
    // The official plugin does that too, which puts the value into the state in plain text.
    assert.equal(id, reveal(base64));
  });

  void it("never gives the same twice", async () => {
    const [one, two] = await Promise.all([plugin.create({ length: 16 }), plugin.create({ length: 16 })]);
    assert.notEqual(reveal(one.outputs["hex"] ?? null), reveal(two.outputs["hex"] ?? null));
  });

  void it("makes nothing up in a preview", async () => {
    const { outputs } = await plugin.create({ length: 16 }, true);
    assert.equal(reveal(outputs["hex"] ?? null), UNKNOWN);
    assert.ok(isSecret(outputs["hex"]));
  });

  void it("is replaced when the length or a keeper changes, and only then", async () => {
    const inputs = { length: 16, keepers: { rotation: "1" } };
    const { outputs } = await plugin.create(inputs);
    const diffs = await Promise.all([
      plugin.diff(outputs, inputs, inputs),
      plugin.diff(outputs, inputs, { ...inputs, length: 17 }),
      plugin.diff(outputs, inputs, { ...inputs, keepers: { rotation: "2" } }),
      plugin.diff(outputs, inputs, { length: 16 }),
    ]);
    assert.deepEqual(
      diffs.map(({ replaces }) => replaces),
      [[], ["length"], ["keepers.rotation"], ["keepers"]],
    );
  });

  for (const length of [0, -1, 1.5]) {
    void it(`refuses a length of ${String(length)}`, async () => {
      const { failures } = await plugin.check({ length });
      assert.match(failures["length"] ?? "", /whole number of bytes, at least 1/);
    });
  }
});

void describe("RandomPassword", () => {
  let passwords: PluginProcess;

  before(async () => {
    passwords = await PluginProcess.start("random", "random:index/randomPassword:RandomPassword");
  });

  after(() => passwords.stop());

  const create = async (inputs: ValueMap) => {
    const { inputs: complete, failures } = await passwords.check(inputs);
    assert.deepEqual(failures, {});
    const { id, outputs } = await passwords.create(complete);
    assert.ok(isSecret(outputs["result"]));
    return { id, result: reveal(outputs["result"]) as string, inputs: complete, outputs };
  };

  void it("draws 256 bits in hex when told to, and says nothing in its id", async () => {
    const none = { lower: false, upper: false, numeric: false };
    const { id, result } = await create({ length: 64, ...none, overrideSpecial: "0123456789abcdef" });
    assert.equal(id, "none");
    assert.match(result, /^[0-9a-f]{64}$/);
    assert.ok(new Set(result).size > 8);
  });

  void it("keeps the minima, and to the classes that are allowed", async () => {
    const { result } = await create({ length: 12, upper: false, special: false, minNumeric: 10 });
    assert.match(result, /^[a-z0-9]{12}$/);
    assert.ok(result.replace(/\D/g, "").length >= 10);
  });

  void it("is replaced for any change", async () => {
    const { inputs, outputs } = await create({ length: 20 });
    assert.equal((await passwords.diff(outputs, inputs, inputs)).changed, false);
    const diff = await passwords.diff(outputs, inputs, { ...inputs, minLower: 2, special: false });
    assert.deepEqual(diff.replaces.sort(), ["minLower", "special"]);
  });

  void it("refuses what can't be", async () => {
    assert.ok("length" in (await passwords.check({ length: 0 })).failures);
    assert.ok("length" in (await passwords.check({ length: 3, minUpper: 4 })).failures);
    const none = { lower: false, upper: false, numeric: false, special: false };
    assert.ok("special" in (await passwords.check({ length: 3, ...none })).failures);
  });
});

void it("says that it is a stand-in, once", async () => {
  await plugin.configure({});
  const notices = plugin.lines.filter(({ message }) => message.startsWith("stand-in plugins"));
  assert.equal(notices.length, 1);
});

void it("names the official plugin for a resource that it does not cover", async () => {
  const other = await PluginProcess.start("random", "random:index/randomPet:RandomPet");
  try {
    await assert.rejects(other.check({}), /does not cover random:index\/randomPet:RandomPet, only .*official plugin/);
  } finally {
    await other.stop();
  }
});
