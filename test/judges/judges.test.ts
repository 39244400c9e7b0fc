import assert from "node:assert/strict";
import { after } from "node:test";
import { Attacker } from "../e2e/attacker";
import { host } from "../e2e/hostTest";
import { judge, type Better } from "./thresholds";
import { lynis } from "./lynis";
import { sshAudit } from "./sshAudit";

const hostTest = host("ssh");

const numbers: string[] = [];
const hold = (what: string, measured: number, better: Better) => {
  numbers.push(`  ${what}: ${String(measured)}`);
  judge(what, measured, better);
};
after(() => {
  console.log(["judges:", ...numbers].join("\n"));
});

hostTest("judge ssh-audit: nothing to fail or to warn of on the SSH port", async (stack) => {
  const stranger = await Attacker.make("judge-ssh");
  try {
    const { failures, warnings, algorithms } = await sshAudit(stranger, await stack.address(), 22022);
    assert.ok(algorithms >= 10, `it saw ${String(algorithms)} algorithms`);
    if (failures.length + warnings.length > 0) console.log([...failures, ...warnings].join("\n"));
    hold("ssh-audit failures", failures.length, "lower");
    hold("ssh-audit warnings", warnings.length, "lower");
  } finally {
    await stranger.destroy();
  }
});

hostTest("judge systemd-analyze: exposure of openclaw.service in force", async (stack) => {
  const said = await stack.root("systemd-analyze security --no-pager openclaw.service");
  hold("systemd-analyze exposure of openclaw.service", Number(/^→ Overall .*: ([\d.]+) /m.exec(said)?.[1]), "lower");
});

hostTest("judges sshd -t and visudo -c: accept the whole configuration", async (stack) => {
  await stack.root("sshd -t && visudo -c");
});

hostTest("judge Lynis: hardening index, warnings and suggestions", async (stack) => {
  const { index, points, outOf, partial, tests, warnings, suggestions } = await lynis(stack);
  assert.ok(tests > 200, `it did ${String(tests)} tests`);
  const names = [...new Set([...warnings, ...suggestions].map((line) => line.split("|")[0]))];
  console.log(
    `Lynis: ${String(points)} of ${String(outOf)} points, ${String(tests)} tests; it names ${names.join(" ")}; ` +
      `it misses points in ${partial.join(", ")}`,
  );
  hold("Lynis hardening index", index, "higher");
  // The index is rounded: one setting alone may not move it.
  hold("Lynis points that are missing", outOf - points, "lower");
  hold("Lynis warnings", warnings.length, "lower");
  hold("Lynis suggestions", suggestions.length, "lower");
});
