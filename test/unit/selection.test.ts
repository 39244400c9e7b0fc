import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { layers } from "../../components/layers";
import { layerNames, layersTouchedBy, ofKind, ofLayer } from "../selection";

const root = join(__dirname, "../..");
const kinds = ["unit", "host", "tailnet", "faults", "attacks", "upgrade", "judges"];

/** Whether a pattern of test names matches a text of the file, or of one that it takes tests from: names stand there in quotes. */
function isNameThere(file: string, names: string): boolean {
  const text = readFileSync(join(root, file), "utf8");
  return (text.match(/"[^"\n]*"|`[^`\n]*`/g) ?? []).some((quoted) => new RegExp(names).test(quoted.slice(1, -1)));
}

void test("every layer of the host can be chosen, and what is chosen exists", () => {
  assert.deepEqual(
    layers.map(({ name }) => name),
    layerNames,
  );
  for (const layer of layerNames) {
    const chosen = ofLayer(layer);
    assert.ok(
      chosen.some(({ file }) => file.startsWith("test/e2e/")),
      `${layer} is looked at on no host`,
    );
    for (const { file, names } of chosen) {
      assert.ok(existsSync(join(root, file)), file);
      for (const each of names?.split("|") ?? []) assert.ok(isNameThere(file, each), `${file} has no test ${each}`);
    }
  }
  assert.throws(() => ofLayer("no-such"), /there is no layer no-such: receiver, /);
});

void test("every test file is of exactly one kind", () => {
  const all = kinds.flatMap((kind) => ofKind(kind).map(({ file }) => file)).sort();
  const found = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`);
  assert.deepEqual(all, found.sort());
  assert.throws(() => ofKind("no-such"), /there is no kind no-such: unit, /);
});

void test("a changed file leads to its layers, or to everything", () => {
  assert.deepEqual(layersTouchedBy(["templates/layers/ssh/apply.sh", "docs/lab.md", "components/layers/kernel.ts"]), {
    layers: ["kernel", "ssh"],
    everything: false,
  });
  const scripts = (layer: string, name: string) => `templates/layers/${layer}/files/usr/local/vps-scripts/${name}`;
  assert.deepEqual(layersTouchedBy([scripts("ssh", "audit-ssh.sh")]), { layers: ["audit", "ssh"], everything: false });
  assert.deepEqual(layersTouchedBy([scripts("openclaw", "gateway.sh")]), { layers: [], everything: true });
  assert.deepEqual(layersTouchedBy(["lib/envelope.ts"]), { layers: [], everything: true });
  assert.deepEqual(layersTouchedBy(["test/e2e/kernel.test.ts"]), { layers: [], everything: false });
});
