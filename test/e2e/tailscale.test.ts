import assert from "node:assert/strict";
import { type Attacker, until } from "./attacker";
import { tailnet, tailnetDown, type Mutation } from "./auditMutations";
import { stackTest } from "./hostTest";
import { keptHost } from "./kinds";
import { applied, failed, findings, line, passes, same, opens, served, standing, status, url } from "./tailnetChecks";
import { archive, authKey, grant, makePeer, nameOf, place, Sender } from "./tailnetHost";
import { faultTests } from "./tailscaleFaults";

let made: Promise<{ sender: Sender; peer: Attacker }> | undefined;

/** A host whose stack has no tailnet, so that these tests alone send it the tailnet's layers; and alice's laptop. */
async function make(): Promise<{ sender: Sender; peer: Attacker }> {
  const stack = await keptHost("ssh");
  await grant("tcp:80");
  const peer = await makePeer();
  return { sender: await Sender.of(stack), peer };
}

function tailTest(name: string, body: (sender: Sender, peer: Attacker) => Promise<void>): void {
  const both = () => (made ??= make());
  stackTest(
    name,
    async () => (await both()).sender.stack,
    async () => {
      const { sender, peer } = await both();
      await body(sender, peer);
    },
  );
}

tailTest("Tailscale: not installed is no fault of the host's, but told", async (sender) => {
  for (const command of ["status", "url", "reconnect", "serve reset"]) {
    const { exitCode, stderr } = await sender.stack.ssh(`sudo -n monoclaw-tailscale ${command}`);
    assert.deepEqual([exitCode, stderr], [69, "this host is not on a tailnet: Tailscale is not installed"], command);
  }
  assert.equal(await line(sender), "not installed; the dashboard is reachable by an SSH tunnel");
  assert.deepEqual(await findings(sender), ["WARN tailscale"]);
  const left = await sender.leave();
  assert.equal(left.stdout, "tailnet: this host is on no tailnet\ntailnet: unchanged", left.all);
  failed(await sender.tailnet("unused"), /the tailscale layer comes first/);
});

tailTest(
  "Tailscale: an archive with another hash, a package of the distribution's: refused, nothing stays",
  async (sender) => {
    const before = await standing(sender);
    const wrong = { ...archive, sha256: { amd64: "0".repeat(64), arm64: "0".repeat(64) } };
    failed(
      await sender.tailscale(wrong),
      /has the SHA-256 [0-9a-f]{64}, but 0{64} is pinned; nothing of it was unpacked/,
    );
    const elsewhere = { ...archive, baseUrl: `${archive.baseUrl}elsewhere/` };
    failed(await sender.tailscale(elsewhere), /\/elsewhere\/tailscale_[\d.]+_\w+\.tgz: HTTP Error 404/);
    same(await standing(sender), before);
    await sender.stack.root(`set -e; d=$(mktemp -d); install -d "$d/DEBIAN" "$d/lib/systemd/system"
    printf 'Package: tailscale\\nVersion: 1\\nArchitecture: all\\nMaintainer: e2e <e2e@example.com>\\nDescription: e2e\\n' >"$d/DEBIAN/control"
    printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >"$d/lib/systemd/system/tailscaled.service"
    dpkg-deb --build "$d" /root/e2e.deb >/dev/null; dpkg -i /root/e2e.deb >/dev/null; rm -r "$d" /root/e2e.deb; systemctl start tailscaled`);
    const result = await sender.tailscale();
    const command = /run there, as root: (apt-get remove -y \S+);/.exec(result.all)?.[1] ?? "";
    failed(result, /has Tailscale as a package/);
    await sender.stack.root(
      `systemctl stop tailscaled; ${command} && dpkg --purge tailscale && systemctl daemon-reload`,
    );
    same(await standing(sender), before);
  },
);

tailTest("Tailscale: the layers install it, join and serve; once more, they change nothing", async (sender) => {
  // Every argument of every process that is ever there, meanwhile.
  await sender.stack
    .root(`systemd-run -q --unit=e2e-watch bash -c 'while :; do cat /proc/[0-9]*/{cmdline,environ} 2>/dev/null
    done | tr "\\0" "\\n" | grep -aE --line-buffered "auth" >/run/e2e-argv'`);
  const key = await authKey();
  for (const result of [await sender.management(), await sender.tailscale(), await sender.tailnet(key)]) {
    assert.equal(result.exitCode, 0, result.all);
  }
  const dashboard = await sender.dashboard();
  assert.equal(dashboard.exitCode, 0, dashboard.all);
  assert.ok(dashboard.stdout.split("\n").includes(`dashboard: ${url}`), dashboard.all);
  const seen = await sender.stack.root("systemctl stop e2e-watch; cat /run/e2e-argv; rm /run/e2e-argv");
  assert.ok(seen.includes("--auth-key=file:/dev/stdin"), "the watch sees arguments");
  assert.ok(!seen.includes(key), "the auth key was an argument, or in an environment");
  const places = "/etc /var /root /run /tmp /home /opt /usr/local /dev/shm";
  const found = await sender.stack.tryRoot(
    `journalctl --sync; key=$(cat); grep -rlaF -- "$key" ${places}; journalctl -o cat --no-pager | grep -F -- "$key"`,
    key,
  );
  assert.equal(found.stdout, "", "the auth key lies on the host");

  assert.deepEqual(await sender.facts(), {
    state: "Running",
    login: "yes",
    server: place.loginServer,
    name: nameOf(place.hostname),
    online: "yes",
    tags: "tag:monoclaw",
    expiry: "never",
    https: "no",
    hostname: place.hostname,
    settings: "ok",
    serve: served,
    health: "",
  });
  for (const words of ["status --json --peers=false", "serve status --json", "debug prefs"]) {
    JSON.parse(await sender.stack.root(`tailscale ${words}`));
  }
  const before = await standing(sender);
  const pid = await sender.stack.root("systemctl show tailscaled -p MainPID");
  applied(await sender.tailscale(), "tailscale: unchanged");
  applied(await sender.tailnet(key), "tailnet: unchanged"); // the key is used up: it isn't looked at
  applied(await sender.dashboard(), "dashboard: unchanged");
  assert.equal(await sender.stack.root("systemctl show tailscaled -p MainPID"), pid);
  const kept = (lines: readonly string[]) => lines.filter((each) => !each.includes("/var/lib/monoclaw/"));
  same(kept(await standing(sender)), kept(before));
  await passes(sender);
  assert.equal(await line(sender), `${url}, key expires: never`);
  assert.equal((await sender.stack.ssh("sudo -n monoclaw-tailscale url")).stdout, url);
  assert.match((await sender.stack.ssh("sudo -n tailscale status")).stdout, /e2e-tail +tagged-devices/);
  assert.match((await sender.stack.ssh("sudo -n tailscale serve status")).stdout, /proxy http:\/\/127\.0\.0\.1:18789/);
});

tailTest("Tailscale: the daemon is no root, and its sandbox is in force", async (sender) => {
  const score = await sender.stack.root("systemd-analyze --no-pager security tailscaled | tail -1");
  assert.ok(Number(/: ([\d.]+) /.exec(score)?.[1]) <= 1.5, score);
  // As the daemon, from within its namespaces.
  const inside = async (command: string) =>
    sender.stack.tryRoot(
      `nsenter -t "$(systemctl show tailscaled -p MainPID --value)" -m setpriv --reuid=tailscale --regid=tailscale --clear-groups ${command}`,
    );
  for (const command of [
    "touch /etc/x",
    "touch /usr/x",
    "touch /run/x",
    "touch /var/tmp/../x",
    "cat /etc/monoclaw/expected",
    "ls /home",
    "ls /root",
    "cat /etc/shadow",
  ]) {
    assert.notEqual((await inside(command)).exitCode, 0, command);
  }
  assert.equal((await inside("touch /var/lib/tailscale/x")).exitCode, 0);
  assert.equal((await inside("rm /var/lib/tailscale/x")).exitCode, 0);
  assert.deepEqual((await inside("ls /dev/net")).stdout.trim(), "tun");
  assert.equal((await inside("test -e /dev/sda -o -e /dev/kmsg -o -e /dev/mem")).exitCode, 1);
  const local = "setpriv --reuid=openclaw --regid=openclaw --clear-groups tailscale status";
  assert.notEqual((await sender.stack.tryRoot(local)).exitCode, 0, "its socket is root's alone");
});

tailTest(
  "Tailscale: on the tailnet only the served port answers, outside SSH only; ufw filters the tailnet, too",
  async (sender, peer) => {
    const { stack } = sender;
    const status4 = JSON.parse(await stack.root("tailscale status --json --peers=false")) as {
      Self: { PeerAPIURL: string[]; TailscaleIPs: string[] };
    };
    // Tailscale's own protocol between devices, which has an access control of its own.
    const peerApi = status4.Self.PeerAPIURL.map((address) => Number(new URL(address).port));
    const [address = ""] = status4.Self.TailscaleIPs;
    /** A busy tunnel may lose what would find the one that is open; it can't find one that isn't. */
    const open = async () => {
      for (let scans = 1; ; scans++) {
        const found = (await peer.openPorts(address)).filter((port) => !peerApi.includes(port));
        if (found.length > 0 || scans === 3) return found;
      }
    };
    await opens(peer);
    assert.equal(await status(peer, `${url}:18789`), "000");
    await stack.root(
      "systemd-run -q --unit=e2e-open python3 -m http.server 9000 --directory /var/empty || mkdir /var/empty",
    );
    try {
      assert.deepEqual(await open(), [80]);
      for (const outside of [
        await stack.address(),
        (await stack.root("ip -6 -o address show eth0 scope global | sed -E 's|.*inet6 ([^/]*)/.*|\\1|'")).trim(),
      ]) {
        assert.deepEqual(await peer.openPorts(outside), [22022], outside);
      }
      // With a policy that allows everything, ufw still closes what nobody opened.
      await grant("*");
      const pinged = async () => (await peer.run(`ping -c 1 -W 1 ${address}`)).exitCode === 0;
      await until("the policy is in force, as ufw lets pings in", 20, pinged);
      assert.equal(await answers(peer, address, 22022), false);
      assert.equal(await answers(peer, address, 9000), false);
      assert.equal(await answers(peer, address, 18789), false);
      // And it is ufw: with rules of Tailscale's own, which accept everything, the port is open.
      await stack.root("tailscale set --netfilter-mode=on");
      assert.ok(await answers(peer, address, 9000, 60));
      const mended = await sender.dashboard();
      assert.match(mended.stdout, /^dashboard: settings of Tailscale \(NetfilterMode is 2\)$/m);
      assert.equal(await answers(peer, address, 9000), false);
      assert.equal((await stack.tryRoot("iptables -S | grep ts-")).stdout, "");
    } finally {
      await stack.root("systemctl stop e2e-open");
      await grant("tcp:80");
    }
  },
);

/** True if a TCP connection of the peer's gets through, by then (seconds). */
async function answers(peer: Attacker, address: string, port: number, seconds = 0): Promise<boolean> {
  const { exitCode } = await peer.run(`until timeout 2 bash -c '</dev/tcp/${address}/${String(port)}'; do
    ((SECONDS < ${String(seconds)})) || exit 1; sleep 0.2; done 2>/dev/null`);
  return exitCode === 0;
}

tailTest("Tailscale: the audit notices each change by hand, and repair mends it", async (sender) => {
  const broken = async (mutations: readonly Mutation[], beside: readonly string[]) => {
    await sender.stack.root(`set -euo pipefail; exec >/dev/null\n${mutations.map((each) => each.break).join("\n")}`);
    const expected = mutations.flatMap(({ rows, status: level = "FAIL" }) => rows.map((row) => `${level} ${row}`));
    assert.deepEqual(
      (await findings(sender)).filter((row) => !beside.includes(row)),
      expected.sort(),
    );
    const repaired = await sender.stack.tryRoot("monoclaw-config repair");
    assert.equal(repaired.exitCode, 0, repaired.stdout + repaired.stderr);
    await sender.until("online", "yes");
    await passes(sender);
    assert.equal((await sender.facts())["serve"], served);
  };
  // Tailscale itself complains of some of it.
  await broken(tailnet, ["WARN tailscale"]);
  await broken(tailnetDown, []);
});

faultTests(tailTest);
