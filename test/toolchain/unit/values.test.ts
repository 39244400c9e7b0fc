import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diffMaps } from "../../../toolchain/standins/rpc/diff";
import { check, type Fields } from "../../../toolchain/standins/rpc/fields";
import {
  UNKNOWN,
  containsSecret,
  containsUnknown,
  decodeMap,
  encodeMap,
  isSecret,
  reveal,
  secret,
  type JsonMap,
} from "../../../toolchain/standins/rpc/values";

const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };

void describe("values on the wire", () => {
  void it("come back as they went, with secrets and unknowns at any depth", () => {
    const values = { a: secret({ deep: ["x", UNKNOWN] }), b: null, c: [1, true, secret("s")], d: { "e f": "" } };
    assert.deepEqual(decodeMap(encodeMap(values)), values);
  });

  void it("are read in the engine's own form", () => {
    const wire: JsonMap = {
      hidden: { ...SECRET, value: "s" },
      later: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
      output: { "4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4", secret: true, value: 7 },
    };
    const values = decodeMap(wire);
    assert.deepEqual(values, { hidden: secret("s"), later: UNKNOWN, output: secret(7) });
  });

  void it("can't be assets", () => {
    const asset = { "4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", text: "x" };
    assert.throws(() => decodeMap({ asset }), /no assets or archives/);
  });

  void it("know what they hold", () => {
    const values = { list: [{ inner: secret(UNKNOWN) }] };
    assert.deepEqual([containsSecret(values), containsUnknown(values)], [true, true]);
    assert.deepEqual([containsSecret({ a: ["b"] }), containsUnknown({ a: ["b"] })], [false, false]);
    assert.deepEqual(reveal({ a: secret([secret("x")]) }), { a: ["x"] });
  });
});

void describe("differences", () => {
  void it("are named by their path", () => {
    const olds = { same: 1, gone: "x", list: ["a", "b", "c"], map: { "odd key": 1, plain: 2 } };
    const news = { same: 1, fresh: "y", list: ["a", "B"], map: { "odd key": 2, plain: 3 } };
    assert.deepEqual(diffMaps(olds, news), {
      gone: "delete",
      fresh: "add",
      "list[1]": "update",
      "list[2]": "delete",
      'map["odd key"]': "update",
      "map.plain": "update",
    });
  });

  void it("do not look into secrets, but notice when one becomes public", () => {
    assert.deepEqual(diffMaps({ s: secret({ a: 1, b: 2 }) }, { s: secret({ a: 1, b: 3 }) }), { s: "update" });
    assert.deepEqual(diffMaps({ s: secret("x") }, { s: secret("x") }), {});
    assert.deepEqual(diffMaps({ s: secret("x") }, { s: "x" }), { s: "update" });
  });

  void it("are assumed for what is unknown", () => {
    assert.deepEqual(diffMaps({ a: "x" }, { a: UNKNOWN }), { a: "update" });
  });
});

void describe("fields", () => {
  const fields: Fields = {
    name: { type: "string", required: true },
    size: { type: "number", default: 3 },
    token: { type: "string", secret: true },
    parts: { type: "list", of: { type: "object", fields: { on: { type: "boolean", default: true } } } },
    beyond: { type: "any", uncovered: true },
  };

  void it("fill in defaults and mark secrets", () => {
    const { inputs, failures } = check(fields, { name: "n", token: "t", parts: [{}, { on: false }] });
    assert.deepEqual(failures, []);
    assert.deepEqual(inputs, { name: "n", size: 3, token: secret("t"), parts: [{ on: true }, { on: false }] });
  });

  void it("keep the mark of a secret that the program made", () => {
    assert.ok(isSecret(check(fields, { name: secret("n") }).inputs["name"]));
  });

  void it("report each mistake with its place, and no value", () => {
    const wrong = { size: "big", token: 5, parts: [{ on: "maybe" }, "x"], beyond: 1, nmae: "s3cret" };
    const { failures } = check(fields, wrong);
    const places = failures.map(({ property }) => property).sort();
    assert.deepEqual(places, ["beyond", "name", "nmae", "parts[0].on", "parts[1]", "size", "token"]);
    assert.doesNotMatch(JSON.stringify(failures), /s3cret|maybe|big/);
  });

  void it("take what provider configuration makes of numbers and booleans", () => {
    const { inputs, failures } = check(fields, { name: "n", size: "12" });
    assert.deepEqual([inputs["size"], failures], [12, []]);
  });
});
