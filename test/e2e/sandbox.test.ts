import assert from "node:assert/strict";
import { gatewayUnit } from "../../components/layers/gateway";
import { until } from "./attacker";
import { host } from "./hostTest";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const config = "/var/lib/openclaw/.openclaw/openclaw.json";

hostTest("the unit on the host is every part of the sandbox, and nobody else adds to it", async (stack) => {
  const unit = [...gatewayUnit({ memoryMax: "2G", tasksMax: 100 }).values()].join("");
  assert.equal(await stack.root("cat /etc/systemd/system/openclaw.service"), unit);
  assert.equal(
    await stack.root("systemctl show openclaw -p DropInPaths --value; cat /etc/monoclaw/missing-sandbox"),
    "\n",
  );
});

hostTest("openclaw security audit --deep: 0 critical, 0 warn, no refused call, no device left", async (stack) => {
  const devices =
    "source /usr/local/vps-scripts/gateway.sh; boxed $openclaw/bin/node $openclaw/bin/openclaw devices list --json";
  const before = await stack.root(devices);
  const since = (await stack.root("date +%s")).trim();
  const report = JSON.parse(await stack.root("source /usr/local/vps-scripts/gateway.sh; audit_gateway")) as {
    summary: { critical: number; warn: number };
    deep: { gateway: { attempted: boolean; ok: boolean } };
  };
  assert.deepEqual([report.summary.critical, report.summary.warn], [0, 0], JSON.stringify(report));
  assert.deepEqual([report.deep.gateway.attempted, report.deep.gateway.ok], [true, true]);
  const said = await stack.root(`journalctl -u openclaw --since=@${since} -o cat --no-pager`);
  assert.match(said, /device pairing removed/);
  assert.doesNotMatch(said, /FORBIDDEN/);
  assert.equal(await stack.root(devices), before);
  assert.match(await stack.root("monoclaw-security"), /^PASS +openclaw security audit +0 critical, 0 warn$/m);
});

/** What a person may have written into openclaw.json. */
const own = {
  channels: { telegram: { enabled: false, dmPolicy: "pairing" } },
  agents: { defaults: { heartbeat: { every: "55m" } } },
  models: { providers: { mine: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "not-a-key", models: [] } } },
};
type Settings = Partial<typeof own> & { gateway: { bind: string; auth: { token: string } } };

async function settings(stack: TestStack): Promise<Settings> {
  return JSON.parse(await stack.root(`cat ${config}`)) as Settings;
}

/** Replaces the file as its user would. */
async function writeSettings(stack: TestStack, value: unknown): Promise<void> {
  const asUser = "setpriv --reuid=openclaw --regid=openclaw --clear-groups bash -c";
  await stack.root(`${asUser} 'umask 077; cat >${config}'`, JSON.stringify(value));
}

async function holdsOwnKeys(stack: TestStack): Promise<Settings> {
  const now = await settings(stack);
  assert.deepEqual(now.channels?.telegram, own.channels.telegram);
  assert.deepEqual(now.agents?.defaults.heartbeat, own.agents.defaults.heartbeat);
  assert.deepEqual(now.models?.providers.mine, own.models.providers.mine);
  return now;
}

hostTest(
  "a broken openclaw.json stops the gateway once; users' keys survive a new token and the gateway layer",
  async (stack) => {
    const found = await settings(stack);
    await writeSettings(stack, { ...found, noSuchKey: true });
    await stack.root("systemctl restart openclaw");
    const state = () =>
      stack.root("systemctl show openclaw -p ActiveState,ExecMainStatus,NRestarts | sort | paste -sd' '");
    await until("the gateway gives up", 60, async () => /=failed|NRestarts=[1-9]/.test(await state()));
    assert.equal((await state()).trim(), "ActiveState=failed ExecMainStatus=78 NRestarts=0");

    // A person mends the key and adds some.
    await writeSettings(stack, { ...found, ...own });
    const made = await stack.ssh("sudo monoclaw-config regenerate-token");
    assert.equal(made.exitCode, 0, made.all);
    const now = await holdsOwnKeys(stack);
    assert.notEqual(now.gateway.auth.token, found.gateway.auth.token);

    // The stack's token again, and a door that somebody opened: the layer closes the door and keeps the rest.
    await stack.root(
      "cat >/etc/monoclaw/auth-token; rm /etc/monoclaw/{revoked-tokens,token-regenerated}",
      `${found.gateway.auth.token}\n`,
    );
    await writeSettings(stack, { ...now, gateway: { ...found.gateway, bind: "lan" } });
    const repaired = await stack.ssh("sudo monoclaw-config repair");
    assert.equal(repaired.exitCode, 0, repaired.all);
    assert.deepEqual((await holdsOwnKeys(stack)).gateway, found.gateway);
    assert.equal((await stack.root("systemctl is-active openclaw")).trim(), "active");
    await writeSettings(stack, found);
  },
);
