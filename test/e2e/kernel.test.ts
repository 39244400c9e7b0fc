import assert from "node:assert/strict";
import { kernelScript } from "../../components/layers/kernel";
import { hostText } from "../../components/layers/files";
import { fingerprint, host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh", { gateway: false });

/** The settings as the file has them: key, with * for any interface, and value. */
const settings = hostText("etc/sysctl.d/zz-monoclaw.conf")
  .split("\n")
  .flatMap((line) => {
    const [, key, value] = /^([a-z][^ ]*) = (\d+)$/.exec(line) ?? [];
    return key !== undefined && value !== undefined ? [[key, value] as const] : [];
  });
/** Those of a network of its own, which a lab host has; the others are the machine's. */
const own = settings.filter(([key]) => /^net\.ipv[46]\./.test(key));

/** What the kernel itself has for each key, on each interface: `path value` lines. */
const inKernel = (stack: TestStack, keys: readonly string[]) =>
  stack.root(`grep . /dev/null ${keys.map((key) => `/proc/sys/${key.replaceAll(".", "/")}`).join(" ")}`);

/** Every setting of the host's own network is as the file says, on every interface. */
async function areInForce(stack: TestStack): Promise<void> {
  for (const [key, value] of own) {
    const lines = (await inKernel(stack, [key])).trim().split("\n");
    assert.ok(lines.length >= (key.includes("*") ? 4 : 1), `${key}: ${lines.join(" ")}`);
    for (const line of lines) {
      assert.equal(line.replace(/^.*:/, ""), value, line);
    }
  }
}

/** The rows of the host's own audit that are the kernel layer's and don't pass, as `STATUS row`. */
async function findings(stack: TestStack): Promise<string[]> {
  const { stdout } = await stack.tryRoot("monoclaw-security --json");
  const { rows } = JSON.parse(stdout) as { rows: { status: string; row: string }[] };
  const kernel = rows.filter(({ row }) => row.startsWith("kernel"));
  assert.equal(kernel.length, 5, "the audit has the layer's rows");
  return kernel.filter(({ status }) => status !== "PASS").map(({ status, row }) => `${status} ${row}`);
}

hostTest("kernel: each setting of the host's own network is in force on every interface", async (stack) => {
  assert.ok(own.length >= 9, String(own.length));
  await areInForce(stack);
});

hostTest("kernel: what a container may not set is left alone, and the audit warns of it", async (stack) => {
  const state = await stack.root("/usr/local/vps-scripts/kernel-settings");
  const denied = state.split("\n").flatMap((line) => (line.startsWith("denied\t") ? [line.split("\t")] : []));
  for (const [, key = "", , wanted = "", path = ""] of denied) {
    assert.doesNotMatch(key, /^net\./);
    const refused = await stack.tryRoot(`echo ${wanted} >${path}`);
    assert.match(refused.stderr, /Read-only file system/, key);
  }
  assert.deepEqual(await findings(stack), ["WARN kernel settings"]);
});

/** A router in a network namespace tells the host, by an ICMP redirect, of another way to 192.0.2.9. Prints that way. */
const askForTheWay = `set -euo pipefail
  trap 'ip netns delete e2e-router' EXIT
  ip netns add e2e-router
  ip link add e2e0 type veth peer name e2e1 netns e2e-router
  trap 'ip link delete e2e0; ip netns delete e2e-router' EXIT # a namespace's own end is finished later, by the kernel
  ip addr add 198.18.0.1/24 dev e2e0
  ip link set e2e0 up
  ip netns exec e2e-router sh -c 'ip link set lo up; ip addr add 198.18.0.2/24 dev e2e1; ip link set e2e1 up
    ip neigh replace 198.18.0.3 lladdr 02:00:00:00:00:03 dev e2e1; ip route add 192.0.2.9 via 198.18.0.3
    sysctl -q net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.e2e1.send_redirects=1'
  ip route add 192.0.2.9 via 198.18.0.2
  ip neigh replace 198.18.0.3 lladdr 02:00:00:00:00:03 dev e2e0
  printf 'new interface: '; cat /proc/sys/net/ipv4/conf/e2e0/accept_redirects
  [[ $1 == no ]] || sysctl -q net.ipv4.conf.e2e0.accept_redirects=1 net.ipv4.conf.e2e0.secure_redirects=0
  ping -q -c 3 -i 0.2 -W 0.2 192.0.2.9 >/dev/null || :
  ip route get 192.0.2.9`;

hostTest("kernel: no redirect from the network changes the host's routes", async (stack) => {
  const way = (weak: "yes" | "no") => stack.root(`set -- ${weak}\n${askForTheWay}`);
  const refused = await way("no");
  assert.match(refused, /^new interface: 0$/m, "an interface that comes later has the settings too");
  assert.match(refused, /via 198\.18\.0\.2 /);
  assert.match(await way("yes"), /via 198\.18\.0\.3 /, "the redirect does work on a host that takes it");
});

hostTest("kernel: each thing changed by hand fails its row, and the layer mends it", async (stack) => {
  const keys = await Keys.of(stack);
  const foreign = "/etc/modprobe.d/a-e2e.conf";
  const mutations: Record<string, string> = {
    "kernel settings": "sysctl -q net.ipv4.conf.eth0.accept_redirects=1",
    "kernel files": "sed -i /rp_filter/d /etc/sysctl.d/zz-monoclaw.conf",
    "kernel file modes": "chmod 666 /etc/modprobe.d/monoclaw.conf",
    "kernel layer: root's jobs": "chmod 755 /etc/cron.d",
    "kernel modules": `echo 'install dccp /bin/true' >${foreign}`,
  };
  const before = await fingerprint(stack);
  try {
    await stack.root(Object.values(mutations).join("\n"));
    const failing = (await findings(stack)).flatMap((line) => /^FAIL (.*)/.exec(line)?.[1] ?? []);
    assert.deepEqual(failing.sort(), Object.keys(mutations).sort());
    // A stranger's file is not the layer's to remove, but the layer tells of it.
    const envelope = keys.envelopes.get("kernel") ?? "";
    assert.match((await keys.apply(envelope)).all, /modprobe has .*install dccp \/bin\/true/);
    await stack.root(`rm ${foreign}`);
    const applied = await keys.apply(envelope);
    assert.equal(applied.exitCode, 0, applied.all);
  } finally {
    await stack.root(`rm -f ${foreign}`);
  }
  assert.deepEqual(await findings(stack), ["WARN kernel settings"]);
  assert.equal(await fingerprint(stack), before);
  const count = String(Object.keys(mutations).length);
  console.log(`kernel: ${count} of ${count} rows caught their mutation`);
});

hostTest(
  "kernel: a value that the kernel refuses fails the layer, and the old values are in force again",
  async (stack) => {
    const keys = await Keys.of(stack);
    const before = [
      await fingerprint(stack),
      await inKernel(
        stack,
        own.map(([key]) => key),
      ),
    ];
    const bad = kernelScript("hardened")
      .replace("net.ipv4.conf.*.rp_filter = 2", "net.ipv4.conf.*.rp_filter = 1")
      .replace("icmp_echo_ignore_broadcasts = 1", "icmp_echo_ignore_broadcasts = 9");
    const result = await keys.apply(keys.envelope("kernel", bad).text);
    assert.equal(result.exitCode, 91, result.all);
    assert.match(result.all, /error: kernel: the kernel refuses net\.ipv4\.icmp_echo_ignore_broadcasts = 9/);
    assert.deepEqual(
      [
        await fingerprint(stack),
        await inKernel(
          stack,
          own.map(([key]) => key),
        ),
      ],
      before,
    );
  },
);

hostTest("kernel: the settings are in force after a reboot", async (stack) => {
  await stack.reboot();
  await areInForce(stack);
  assert.deepEqual(await findings(stack), ["WARN kernel settings"]);
});
