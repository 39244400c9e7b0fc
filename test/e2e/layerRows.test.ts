import assert from "node:assert/strict";
import { test } from "node:test";
import { drifted, layerOfRow, type Mutation, rowsOfContainers } from "./auditMutations";
import { host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

/** What breaks rows of this layer alone, while everything runs. */
function mutationsOf(layer: string): readonly Mutation[] {
  return drifted.filter(({ rows }) => rows.every((row) => layerOfRow(row) === layer));
}

/** The rows that don't pass, as `STATUS row`, sorted. */
async function findings(stack: TestStack): Promise<string[]> {
  const { rows } = JSON.parse((await stack.tryRoot("monoclaw-security --json")).stdout) as {
    rows: { row: string; status: string }[];
  };
  return rows.flatMap(({ row, status }) => (status === "PASS" ? [] : [`${status} ${row}`])).sort();
}

// Not the gateway: what breaks its own rows takes the gateway's answers away, too; audit.test.ts breaks these.
const layers = ["receiver", "users", "kernel", "ssh", "firewall", "fail2ban", "management", "updates", "gateway-token"];
// `npm test -- --layer NAME` wants that layer's alone.
const wanted = process.env["MONOCLAW_TEST_LAYER"];
const chosen = layers.filter((layer) => wanted === undefined || layer === wanted);

void test("Security Audit: each of these layers has rows that only it looks after", () => {
  for (const layer of layers) assert.ok(mutationsOf(layer).length > 0, layer);
});

hostTest(
  "Security Audit: what is broken of one layer is caught in its rows, and that layer's own envelope mends it",
  async (stack) => {
    const keys = await Keys.of(stack);
    const before = await findings(stack);
    assert.deepEqual(
      before,
      [...rowsOfContainers, "tailscale"].map((row) => `WARN ${row}`),
    );
    const mutations = chosen.flatMap(mutationsOf);
    await stack.root(`set -euo pipefail\nexec >/dev/null\n${mutations.map((each) => each.break).join("\n")}`);
    const broken = mutations.flatMap(({ rows, status = "FAIL" }) => rows.map((row) => `${status} ${row}`));
    const beside = before.filter((line) => !broken.includes(line.replace("WARN", "FAIL")));
    assert.deepEqual(await findings(stack), [...new Set([...broken, ...beside])].sort());
    for (const layer of chosen) {
      const envelope = keys.envelopes.get(layer) ?? "";
      const applied = await keys.apply(envelope);
      assert.equal(applied.exitCode, 0, applied.all);
    }
    assert.deepEqual(await findings(stack), before);
    console.log(`layers ${chosen.join(", ")}: ${String(mutations.length)} mutations caught and mended`);
  },
);
