import assert from "node:assert/strict";
import {
  applied,
  audit,
  failed,
  findings,
  gatewayPid,
  line,
  same,
  served,
  standing,
  opens,
  passes,
  status,
  url,
  type TailTest,
} from "./tailnetChecks";
import { until } from "./attacker";
import { devices, nameOf, place, tailnetApi } from "./tailnetHost";

/** What may happen to a host on its tailnet, and how the layers mend it. */
export function faultTests(tailTest: TailTest): void {
  tailTest("tailscaled killed: it comes back by itself, the gateway doesn't notice", async (sender, peer) => {
    const gateway = await gatewayPid(sender);
    await sender.stack.root("systemctl kill -s KILL tailscaled");
    await sender.until("online", "yes");
    await opens(peer);
    await sender.stack.root("systemctl stop tailscaled");
    assert.match(await line(sender), /^Tailscale gives no answer/);
    const { fail } = await audit(sender);
    assert.equal(fail, 0, "a tailnet that is down doesn't fail the gate");
    assert.ok((await findings(sender)).includes("WARN tailscale"));
    assert.equal(await gatewayPid(sender), gateway);
    assert.equal((await sender.tailscale()).exitCode, 0);
    await sender.until("online", "yes");
  });

  tailTest(
    "the control server is down: told, the gate passes, the gateway runs on; it mends itself",
    async (sender, peer) => {
      const gateway = await gatewayPid(sender);
      const port = new URL(place.loginServer ?? "").port;
      await sender.stack.root(`nft -f - <<<'table inet e2e {
    chain output { type filter hook output priority 0; tcp dport ${port} reject with tcp reset; }
  }'`);
      try {
        await sender.until("online", "no", 60);
        assert.match(await line(sender), /^not connected to http/);
        await opens(peer);
        assert.deepEqual(await findings(sender), ["WARN tailscale"]);
        await sender.stack.root("systemctl restart tailscaled");
        assert.match(await line(sender), /^not connected to http/);
        assert.equal((await audit(sender)).fail, 0);
        applied(await sender.tailnet("unused"), "tailnet: unchanged");
        assert.equal(await gatewayPid(sender), gateway);
        const left = await sender.leave();
        failed(left, /didn't take the log-out.*To go on without, delete the device/s);
      } finally {
        await sender.stack.root("nft delete table inet e2e");
      }
      await sender.until("online", "yes", 60);
      applied(await sender.dashboard(), "dashboard: unchanged");
      await opens(peer);
    },
  );

  tailTest("Tailscale, a host with another name: its address follows, and what is served", async (sender, peer) => {
    const other = { ...place, hostname: "e2e-renamed" };
    const result = await sender.dashboard(other);
    assert.match(result.stdout, /^dashboard: http:\/\/e2e-renamed\./m);
    assert.equal((await sender.facts())["serve"], `http://${nameOf("e2e-renamed")}/ -> http://127.0.0.1:18789`);
    assert.deepEqual(await findings(sender), ["FAIL tailscale settings"]);
    assert.match((await sender.dashboard()).stdout, new RegExp(`^dashboard: ${url}$`, "m"));
    await opens(peer);
  });

  tailTest(
    "Tailscale, other tags: they come with a new key, and the device stays; back again, too",
    async (sender, peer) => {
      const [device] = await devices(place.hostname);
      for (const tags of [["tag:monoclaw", "tag:other"], ["tag:monoclaw"]]) {
        const moved = await sender.join({ ...place, tags });
        assert.equal(moved.exitCode, 0, moved.all);
        assert.equal((await sender.facts())["tags"], tags.join(","));
        const [kept, ...more] = await devices(place.hostname);
        assert.deepEqual([kept?.id, [...(kept?.tags ?? [])].sort(), more.length], [device?.id, tags, 0]);
        applied(await sender.tailnet("unused", { ...place, tags }), "tailnet: unchanged");
      }
      await opens(peer);
    },
  );

  tailTest("Tailscale: HTTPS where the tailnet has no certificates is refused, with the way out", async (sender) => {
    failed(await sender.dashboard({ ...place, https: true }), /gives out no certificates.*tailnet\.https false/s);
    assert.equal((await sender.facts())["serve"], served);
  });

  tailTest(
    "Tailscale, an expired login: told; a key that is refused changes nothing, a new one keeps the device",
    async (sender, peer) => {
      const [device] = await devices(place.hostname);
      await tailnetApi("POST", `device/${device?.id ?? ""}/expire`, {});
      await sender.until("login", "refused");
      assert.match(await line(sender), /^logged out; log in by a new key: pulumi up --replace/);
      assert.equal((await audit(sender)).fail, 0);
      const before = await standing(sender);
      failed(
        await sender.tailnet("hskey-auth-wrong"),
        /didn't take this host.*a new one comes with: pulumi up --replace/s,
      );
      await sender.until("login", "refused");
      same(await standing(sender), before);
      assert.equal((await sender.join()).exitCode, 0);
      assert.match((await sender.dashboard()).stdout, new RegExp(`^dashboard: ${url}$`, "m"));
      const [kept, ...more] = await devices(place.hostname);
      assert.deepEqual([kept?.id, kept?.name, more.length], [device?.id, device?.name, 0]);
      await opens(peer);
    },
  );

  tailTest(
    "Tailscale, on another tailnet: a key that is refused leaves it there, a good one moves it",
    async (sender, peer) => {
      const { hostname, port } = new URL(place.loginServer ?? "");
      // The same control server by another address, which is another one to Tailscale.
      await sender.stack.root(`systemd-run -q --unit=e2e-other -p Type=exec python3 -c '
import socketserver, socket, threading
class Pipe(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(("${hostname}", ${port})) as far:
            def copy(a, b):
                try:
                    while data := a.recv(65536): b.sendall(data)
                except OSError: pass
                for each in (a, b):
                    try: each.shutdown(socket.SHUT_RDWR)
                    except OSError: pass
            threading.Thread(target=copy, args=(far, self.request), daemon=True).start()
            copy(self.request, far)
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True; daemon_threads = True
Server(("127.0.0.1", 8899), Pipe).serve_forever()'
    timeout 20 bash -c 'until [[ -n $(ss -Hltn "sport = :8899") ]]; do sleep 0.1; done'`);
      const elsewhere = { ...place, loginServer: "http://127.0.0.1:8899" };
      try {
        applied(await sender.join(elsewhere), "tailnet: joined the tailnet of http://127.0.0.1:8899");
        assert.ok((await findings(sender)).includes("FAIL tailscale tailnet"));
        failed(await sender.tailnet("hskey-auth-wrong"), /didn't take this host/);
        await sender.until("online", "yes");
        assert.equal((await sender.facts())["server"], elsewhere.loginServer);
        assert.equal((await sender.join()).exitCode, 0);
        assert.match((await sender.dashboard()).stdout, new RegExp(`^dashboard: ${url}$`, "m"));
      } finally {
        await sender.stack.root("systemctl stop e2e-other");
      }
      await passes(sender);
      await opens(peer);
    },
  );

  tailTest(
    "Tailscale, leave: the host is off its tailnet at once, and a new key brings it back",
    async (sender, peer) => {
      const gateway = await gatewayPid(sender);
      const left = await sender.leave();
      assert.deepEqual(
        [left.exitCode, left.stdout.split("\n").at(-1)],
        [0, `tailnet: left the tailnet of ${place.loginServer ?? ""}`],
      );
      assert.equal((await sender.facts())["login"], "no");
      await until("nothing answers the peer", 30, async () => (await status(peer, url)) === "000");
      assert.match(await line(sender), /^logged out; log in by a new key: pulumi up --replace/);
      assert.ok((await findings(sender)).includes("WARN tailscale"));
      assert.equal(await gatewayPid(sender), gateway);
      const again = await sender.leave();
      assert.deepEqual([again.exitCode, again.stdout], [0, "tailnet: this host is on no tailnet\ntailnet: unchanged"]);
      // As destroy does. This headscale would take no key for a tagged device that has logged out (its issue 3371).
      const [device] = await devices(place.hostname);
      await tailnetApi("DELETE", `device/${device?.id ?? ""}`);
      assert.equal((await sender.join()).exitCode, 0);
      assert.match((await sender.dashboard()).stdout, new RegExp(`^dashboard: ${url}$`, "m"));
      await opens(peer);
      await passes(sender);
    },
  );

  tailTest(
    "Without a tailnet any more: it logs out, though tailscaled was down, and nothing of it stays",
    async (sender) => {
      const { stack } = sender;
      await stack.root("systemctl stop tailscaled");
      const off = await sender.tailscale("off");
      applied(off, "tailscale: left the tailnet, removed Tailscale, removed user tailscale");
      const left =
        await stack.root(`set +e; for path in /opt/tailscale /var/lib/tailscale /usr/bin/tailscale /etc/systemd/system/tailscaled.service
      do [[ ! -e $path && ! -L $path ]] || echo "$path"; done; id tailscale 2>/dev/null; pgrep -a tailscaled; ip -o link show tailscale0 2>/dev/null; true`);
      assert.equal(left, "");
      applied(await sender.tailscale("off"), "tailscale: unchanged");
      assert.equal((await sender.management("off")).exitCode, 0);
      assert.deepEqual(await findings(sender), ["WARN tailscale"]);
      assert.equal(await line(sender), "not installed; the dashboard is reachable by an SSH tunnel");
      const repaired = await stack.tryRoot("monoclaw-config repair");
      assert.equal(repaired.exitCode, 0, repaired.stdout + repaired.stderr);
    },
  );
}
