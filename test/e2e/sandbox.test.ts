import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gatewayUnit } from "../../components/layers/gateway";
import { until } from "./attacker";
import { host } from "./hostTest";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const config = "/var/lib/openclaw/.openclaw/openclaw.json";

/** Each thing that sandboxProbe.py tries, by how it ends: "ok" or an error's name. */
type Tried = Readonly<Record<string, string>>;

/** Tries everything as the service, and as users without its sandbox. */
async function tryAll(stack: TestStack): Promise<{ service: Tried; root: Tried; user: Tried }> {
  const probe = "/usr/local/lib/sandbox-probe.py";
  await stack.root(`cat >${probe}; chmod 644 ${probe}`, readFileSync(join(__dirname, "sandboxProbe.py"), "utf8"));
  try {
    const said = await stack.root(`set -euo pipefail
      touch /tmp/sandbox-probe-mark
      install -m 4755 /usr/bin/id /usr/local/lib/sandbox-probe-id
      systemd-run --quiet --unit=sandbox-probe-other --uid=nobody sleep 600
      ip address add fd00:ec2::254/128 dev lo
      systemd-run --quiet --unit=sandbox-probe-http python3 -m http.server --bind fd00:ec2::254 80
      other=$(systemctl show sandbox-probe-other -p MainPID --value)
      # The service's own unit with another program: the same directives to the letter.
      sed -E "s|^ExecStart=.*|ExecStart=/usr/bin/python3 ${probe} $other|; s|^Restart=.*|Type=oneshot\\nStandardOutput=truncate:/run/sandbox-probe.json|" \\
        /etc/systemd/system/openclaw.service >/run/systemd/system/sandbox-probe.service
      systemctl daemon-reload
      for second in {1..20}; do
        ss -Hltn 'sport = :80' | grep -q fd00 && break
        sleep 0.2
      done
      systemctl start sandbox-probe
      cat /run/sandbox-probe.json
      systemd-run --quiet --pipe --wait --collect -p PrivateMounts=yes python3 ${probe} "$other"
      systemd-run --quiet --pipe --wait --collect --uid=openclaw python3 ${probe} "$other"`);
    const [service, root, user] = said
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Tried);
    assert.ok(service !== undefined && root !== undefined && user !== undefined, said);
    return { service, root, user };
  } finally {
    await stack.root(`systemctl stop sandbox-probe-other sandbox-probe-http || :
      rm -f ${probe} /usr/local/lib/sandbox-probe-id /tmp/sandbox-probe-mark /run/sandbox-probe.json /run/systemd/system/sandbox-probe.service
      ip address del fd00:ec2::254/128 dev lo; systemctl daemon-reload; systemctl reset-failed`);
  }
}

let tried: ReturnType<typeof tryAll> | undefined;

hostTest(
  "Systemd Service Hardening: what the service may do, and what it is refused, tried from inside",
  async (stack) => {
    const { service, root } = await (tried ??= tryAll(stack));
    assert.deepEqual(service, {
      "write its folder": "ok",
      "write /tmp": "ok",
      "write /etc": "EROFS",
      "write /opt/openclaw": "EROFS",
      "write /run/lock, which is open to all": "EROFS",
      "list /home": "EACCES",
      "list /root": "EACCES",
      "list /etc/monoclaw": "EACCES",
      "list /var/lib/monoclaw": "EACCES",
      "read /etc/shadow": "EACCES",
      "see the host's /tmp": "ENOENT",
      "run a program of its folder": "EACCES",
      "run a program of /tmp": "EACCES",
      "run a program of /dev/shm": "EACCES",
      "run a program in memory": "EPERM",
      "run as root by setuid": "EPERM",
      "ask for metadata": "EHOSTUNREACH", // by the firewall's rule, which comes first
      "ask for metadata over IPv6": "EACCES",
      "send to another link-local address": "EPERM",
      "reach the gateway": "ok",
      "reach the host's own sshd": "ECONNREFUSED",
      // systemd's filter is asked when a port is chosen, not when the kernel chooses one; ufw lets nobody in there.
      "listen on a port that the kernel chooses": "ok",
      "set up io_uring": "EPERM",
      "listen on another port": "EPERM",
      "listen on another port over IPv6": "EPERM",
      "open a raw socket": "EAFNOSUPPORT",
      "see another user's process": "ENOENT",
      "see the kernel's numbers": "ENOENT",
      "signal another user's process": "EPERM",
      "set the host's name": "EPERM",
      "be traced": "EPERM",
      mount: "EPERM",
      "make a user namespace": "EPERM",
      "change its personality": "EPERM",
      "open a device": "ENOENT",
    });
    // The host itself can do all of it: what the service is refused, the sandbox refuses.
    assert.deepEqual(new Set(Object.values(root)), new Set(["ok"]), JSON.stringify(root));
  },
);

hostTest("User Isolation: without the sandbox the service's user is still kept from what is root's", async (stack) => {
  const { user } = await (tried ??= tryAll(stack));
  const refused = ["write /etc", "write /opt/openclaw", "list /root", "list /etc/monoclaw", "list /var/lib/monoclaw"];
  for (const name of [...refused, "read /etc/shadow"]) {
    assert.equal(user[name], "EACCES", name);
  }
  for (const name of ["signal another user's process", "mount"]) {
    assert.equal(user[name], "EPERM", name);
  }
  // The firewall's rule, not the sandbox's.
  assert.deepEqual([user["ask for metadata"], user["ask for metadata over IPv6"]], ["EHOSTUNREACH", "EACCES"]);
});

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
