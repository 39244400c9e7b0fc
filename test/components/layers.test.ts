import assert from "node:assert/strict";
import { test } from "node:test";
import { layers } from "../../components/layers";

void test("each layer has a name of its own, and stands behind those that it comes after", () => {
  const before = new Set<string>();
  for (const { name, after = [] } of layers) {
    assert.ok(!before.has(name), `${name} is there twice`);
    for (const each of after) assert.ok(before.has(each), `${name} comes after ${each}, which isn't before it`);
    before.add(name);
  }
});

void test("no layer stands between those that are confirmed: a new way in needs all of them", () => {
  const confirmed = layers.flatMap((layer, at) => (layer.confirmed === true ? [at] : []));
  assert.deepEqual(
    confirmed.map((at) => layers[at]?.name),
    ["ssh", "firewall"],
  );
  assert.equal((confirmed.at(-1) ?? 0) - (confirmed[0] ?? 0), confirmed.length - 1);
});
