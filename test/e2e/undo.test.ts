import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { sshKeyPair } from "../../lib/keys";
import { fingerprint, host } from "./hostTest";
import { operatorKey, type TestStack } from "./stack";

const hostTest = host("ssh");

const second = sshKeyPair("2e".repeat(32), "second").publicKey;

/** A value of a key, other than what the host has; the layer that it concerns; and how the host shows that it has it. */
const changes: readonly (readonly [key: string, value: unknown, layer: string, shown: string, RegExp])[] = [
  ["fail2ban", { maxretry: 4, ignoreip: ["198.51.100.7"] }, "fail2ban", "fail2ban-client get sshd maxretry", /^4$/m],
  ["updates", { reboot: "automatic", rebootTime: "03:10" }, "updates", "apt-config dump", /Reboot-Time "03:10"/],
  ["limits", { tasksMax: 211, memoryMax: "3G" }, "gateway", "systemctl show openclaw -p TasksMax", /^TasksMax=211$/m],
  ["kernel", "leave", "kernel", "test -e /etc/sysctl.d/zz-monoclaw.conf || echo gone", /^gone$/m],
  [
    "openclaw",
    { settings: { ui: { seamColor: "#123456" } }, registry: "https://mirror.example/" },
    "openclaw",
    "cat /var/lib/openclaw/.openclaw/openclaw.json",
    /"#123456"/,
  ],
];

/** The fingerprint without what tells of the way here: the receiver's books, and which process the gateway is. */
async function state(stack: TestStack): Promise<string[]> {
  return (await fingerprint(stack)).split("\n").filter((line) => !/\/var\/lib\/monoclaw\/|^MainPID=/.test(line));
}

/** The process of each service that somebody may be connected to, or counts on. */
async function processes(stack: TestStack): Promise<ReadonlyMap<string, string>> {
  const shown = await stack.root(
    "for each in openclaw fail2ban ssh cron systemd-networkd; do systemctl show $each -p MainPID --value; done",
  );
  const [openclaw = "", fail2ban = "", ssh = "", cron = "", network = ""] = shown.split("\n");
  return new Map(Object.entries({ openclaw, fail2ban, ssh, cron, network }));
}

/** What each layer's resource sent last. */
async function envelopes(stack: TestStack): Promise<ReadonlyMap<string, unknown>> {
  const sent = (await stack.resources()).map(
    ({ urn, inputs }) => [/::gateway-(.*)-apply$/.exec(urn)?.[1], inputs] as const,
  );
  return new Map(sent.flatMap(([layer, inputs]) => (layer === undefined ? [] : [[layer, inputs["stdin"]] as const])));
}

/** The keys whose value differs. */
const differing = (before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>) =>
  [...after.keys()].filter((key) => after.get(key) !== before.get(key)).sort();

/** A plain `pulumi up` sends these layers and no other, and restarts the services that docs/change-a-setting.md tells of. */
async function upSends(stack: TestStack, layers: readonly string[]): Promise<void> {
  const before = [await envelopes(stack), await processes(stack)] as const;
  await stack.up();
  assert.deepEqual(differing(before[0], await envelopes(stack)), layers);
  assert.deepEqual(differing(before[1], await processes(stack)), ["fail2ban", "openclaw"]);
}

hostTest("changes of seven layers, taken back: two plain `pulumi up`s, and the host is as it was", async (stack) => {
  const own = readFileSync(`${operatorKey}.pub`, "utf8").trim();
  const before = await state(stack);
  const layers = [...changes.map(([, , layer]) => layer), "audit", "management", "users"].sort();

  stack.configure(Object.fromEntries(changes.map(([key, value]) => [`monoclaw:${key}`, value])));
  stack.configure({ "monoclaw:authorizedKeys": [own, second] });
  await upSends(stack, layers);
  for (const [key, , , command, shown] of changes) {
    assert.match(await stack.root(command), shown, key);
  }
  assert.ok((await stack.root("cat /home/ops/.ssh/authorized_keys")).includes(second));

  stack.configure(Object.fromEntries(changes.map(([key]) => [`monoclaw:${key}`, undefined])));
  stack.configure({ "monoclaw:authorizedKeys": [own] });
  await upSends(stack, layers);
  assert.deepEqual(await state(stack), before);
  assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
});
