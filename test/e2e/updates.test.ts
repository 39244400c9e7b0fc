import assert from "node:assert/strict";
import { updatesScript } from "../../components/layers/updates";
import { host } from "./hostTest";
import { Keys } from "./keys";
import { debian, dryRun, makeRepositories, removeRepositories, upgradable, waiting } from "./repositories";
import type { TestStack } from "./stack";

const hostTest = host("ssh", { gateway: false });

/** The row of the host's own audit. */
async function row(stack: TestStack, name: string): Promise<{ status: string; detail: string } | undefined> {
  const { stdout } = await stack.tryRoot("monoclaw-security --json");
  const { rows } = JSON.parse(stdout) as { rows: { row: string; status: string; detail: string }[] };
  return rows.find((candidate) => candidate.row === name);
}

hostTest("Automatic Updates: unattended-upgrades takes the security archive's package and no other", async (stack) => {
  try {
    await makeRepositories(stack, debian);
    assert.deepEqual(await upgradable(stack), waiting(debian), "apt itself would take all four");
    const { said, upgraded } = await dryRun(stack);
    assert.match(said, /^Allowed origins are: .*label=Debian-Security/m);
    assert.deepEqual(upgraded, ["e2e-security"], said);
  } finally {
    await removeRepositories(stack, debian);
  }
});

hostTest(
  "Automatic Updates: a later file that adds origins fails the audit, and the layer sets it aside",
  async (stack) => {
    const keys = await Keys.of(stack);
    const file = "/etc/apt/apt.conf.d/51-local";
    assert.equal((await row(stack, "updates origins"))?.status, "PASS");
    await stack.root(`cat >${file}`, 'Unattended-Upgrade::Origins-Pattern { "origin=*"; };\n');
    try {
      assert.equal((await row(stack, "updates origins"))?.status, "FAIL");
      const result = await keys.apply(keys.envelopes.get("updates") ?? "");
      assert.match(result.stdout, /set aside \/etc\/apt\/apt\.conf\.d\/51-local which overrides this layer/);
      assert.equal((await row(stack, "updates origins"))?.status, "PASS");
    } finally {
      await stack.root(`rm -f ${file} ${file}.disabled`);
    }
  },
);

hostTest("Automatic Updates: the timers are active; one that was stopped and disabled comes back", async (stack) => {
  const timers = "apt-daily.timer apt-daily-upgrade.timer";
  assert.equal(await stack.root(`systemctl is-active ${timers}`), "active\nactive\n");
  await stack.root("systemctl disable --quiet --now apt-daily-upgrade.timer");
  const result = await (await Keys.of(stack)).apply((await Keys.of(stack)).envelopes.get("updates") ?? "");
  assert.match(result.stdout, /enabled apt-daily-upgrade.timer, started apt-daily-upgrade.timer/);
  assert.equal(
    await stack.root(`systemctl is-active ${timers}; systemctl is-enabled ${timers}`),
    "active\nactive\nenabled\nenabled\n",
  );
});

hostTest("Automatic Updates: reboot `none` never reboots, `automatic` does at its time", async (stack) => {
  const shown = "apt-config dump | grep '^Unattended-Upgrade::Automatic-Reboot'";
  assert.match(await stack.root(shown), /^Unattended-Upgrade::Automatic-Reboot "false";$/m);
  const keys = await Keys.of(stack);
  // As a layer of another name, so that the stack's own envelope stays the newest.
  const script = updatesScript({ reboot: "automatic", rebootTime: "03:10" });
  try {
    const result = await keys.apply(keys.envelope("e2e-updates", script).text);
    assert.equal(result.exitCode, 0, result.all);
    assert.match(await stack.root(shown), /Automatic-Reboot "true";\n.*Automatic-Reboot-Time "03:10";/);
  } finally {
    assert.equal((await keys.apply(keys.envelopes.get("updates") ?? "")).exitCode, 0);
  }
  assert.match(await stack.root(shown), /^Unattended-Upgrade::Automatic-Reboot "false";$/m);
});
