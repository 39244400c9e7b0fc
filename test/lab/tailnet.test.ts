import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, TestContext } from "node:test";
import { ensureLab, stopLab } from "../../lab/client";
import { inFabric } from "../../lab/host/network";
import { exec } from "../../lab/hosts";
import { instanceOf } from "../../lab/instances";
import { Result, run, tryRun, waitUntil } from "../../lab/run";
import { tailnetAccess } from "../../lab/tailnet/access";
import { loginServer, tailnetDomain } from "../../lab/tailnet/config";
import { tailscaleArchive } from "../../lab/tailnet/downloads";
import { ensureTailnet } from "../../toolchain/tailnet";
import { api, createServer, evidence, instance, makeKeyPair, removeKeyPair } from "./labHost";

const lab = instanceOf(instance);
const options = { instance, progress: () => undefined } as const;
const web = `web.${tailnetDomain(lab)}`;

/** Tailscale's own Go client as a program, for one user of the tailnet. */
type Client = (user: string, args: readonly string[], input?: string) => Promise<string>;

async function buildClient(folder: string): Promise<Client> {
  const program = join(folder, "tailscalego");
  await run(["go", "build", "-C", join(__dirname, "tailscalego"), "-trimpath", "-buildvcs=false", "-o", program, "."]);
  return (user, args, input) => {
    const environment = [
      `LAB_URL=${lab.tailnetEndpoint}`,
      `LAB_API_KEY=tskey-api-lab-${user}`,
      `LAB_CLIENT_ID=${tailnetAccess.oauthClientId}`,
      `LAB_CLIENT_SECRET=${tailnetAccess.oauthClientSecret}`,
    ];
    return run(["env", ...environment, program, ...args], input === undefined ? {} : { input });
  };
}

/** What alice may reach of the web host. */
function policy(ports: readonly number[]): string {
  const ip = ports.map((port) => `tcp:${String(port)}`);
  return JSON.stringify({
    tagOwners: { "tag:web": ["autogroup:admin"] },
    grants: ports.length === 0 ? [] : [{ src: ["alice@example.com"], dst: ["tag:web"], ip }],
  });
}

const onHost = (host: string, command: string, input?: string): Promise<Result> =>
  exec(instance, host, ["bash", "-euc", command], input === undefined ? {} : { input });

/** Runs a command on a host that must succeed. */
async function must(host: string, command: string, input?: string): Promise<string> {
  const { exitCode, stdout, stderr } = await onHost(host, command, input);
  assert.equal(exitCode, 0, `${host}: ${command}\n${stdout}${stderr}`);
  return stdout;
}

/** Installs Tailscale from the lab's archive and starts it without logs to its maker. */
async function install(host: string): Promise<void> {
  const { url, sha256 } = tailscaleArchive(lab);
  await must(
    host,
    `cd /root; curl -fsS -o ts.tgz '${url}'; echo '${sha256} ts.tgz' | sha256sum -c --quiet
    tar -xzf ts.tgz --strip-components=1 -C /usr/local/bin
    systemd-run -q --unit=tailscaled -E TS_NO_LOGS_NO_SUPPORT=true /usr/local/bin/tailscaled`,
  );
}

const joinTailnet = (host: string, key: string, socket = ""): Promise<Result> =>
  onHost(
    host,
    `umask 077; cat >/run/key; tailscale ${socket} up --login-server=${loginServer(lab)} --auth-key=file:/run/key --timeout=15s`,
    key,
  );

/** True if a new connection from the laptop to a port of the web host gets an answer. */
async function reaches(port: number): Promise<boolean> {
  const { exitCode } = await onHost("laptop", `curl -fsS -o /dev/null --max-time 1 http://${web}:${String(port)}/`);
  return exitCode === 0;
}

const until = (what: string, probe: () => Promise<boolean>): Promise<boolean> =>
  waitUntil(probe, { deadline: 30_000, what, interval: 100 });

/** Notes where hosts send packets beyond lab and tailnet, name servers and time servers aside. */
async function watchOutside(): Promise<() => Promise<string[]>> {
  const table = `table inet watch {
    set outside { type ipv4_addr . inet_proto . inet_service; flags dynamic; }
    chain forward {
      type filter hook forward priority -10;
      oifname "uplink" ip daddr != { ${lab.prefix4}.1, 100.64.0.0/10 } th dport != { 53, 123 } add @outside { ip daddr . meta l4proto . th dport }
    }
  }`;
  await inFabric(lab, ["nft", "-f", "-"], table);
  return async () => {
    const text = await inFabric(lab, ["nft", "-j", "list", "set", "inet", "watch", "outside"]);
    const { nftables } = JSON.parse(text) as { nftables: { set?: { elem?: unknown[] } }[] };
    return nftables.flatMap(({ set }) => set?.elem ?? []).map((element) => JSON.stringify(element));
  };
}

void test("the lab's tailnet", { timeout: 120_000 }, async (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), "lab-tailnet-"));
  const keys = makeKeyPair();
  const step = (name: string, body: () => Promise<void>): Promise<void> =>
    t.test(name, async (inner) => {
      try {
        await body();
      } catch (error) {
        inner.diagnostic(await evidence());
        throw error;
      }
    });
  await ensureTailnet();
  await stopLab(options);
  try {
    await ensureLab(options);
    const outside = await watchOutside();
    const client = await buildClient(folder);
    let webKey = "";

    await step("Tailscale's Go client works on it", async () => {
      const output = await client("admin", ["check"]);
      assert.equal(output.match(/^ok /gm)?.length, 11, output);
    });

    await step("two hosts join, behind a firewall that lets nothing in", async () => {
      const { firewall } = await api<{ firewall: { id: number } }>("POST", "/firewalls", { name: "closed", rules: [] });
      const { id } = await api<{ id: number }>("POST", "/ssh_keys", { name: "k", public_key: keys.publicKey }).then(
        (answer) => (answer as unknown as { ssh_key: { id: number } }).ssh_key,
      );
      const extra = { ssh_keys: [id], firewalls: [{ firewall: firewall.id }] };
      await Promise.all([createServer("web", extra), createServer("laptop", extra)]);
      await Promise.all(
        ["web", "laptop"].map(async (host) => {
          const online = async (): Promise<boolean> =>
            (await onHost(host, `curl -fs -o /dev/null --max-time 1 ${loginServer(lab)}/health`)).exitCode === 0;
          await until(`the network of ${host}`, online);
          await install(host);
        }),
      );
      await client("admin", ["acl"], policy([8080]));
      webKey = await client("admin", ["key", "tag:web"]);
      const results = await Promise.all([
        joinTailnet("web", webKey),
        joinTailnet("laptop", await client("alice", ["key"])),
      ]);
      assert.deepEqual(
        results.map(({ exitCode }) => exitCode),
        [0, 0],
        JSON.stringify(results),
      );
      for (const port of [8080, 8081]) {
        await must(
          "web",
          `systemd-run -q --unit=web-${String(port)} -p WorkingDirectory=/srv python3 -m http.server ${String(port)}`,
        );
      }
    });

    await step("by MagicDNS name, on the port that the policy grants and no other", async () => {
      await until("the web host to answer", () => reaches(8080));
      assert.equal(await reaches(8081), false);
      const status = JSON.parse(await must("web", "tailscale status --json")) as {
        Self: { Tags?: string[]; DNSName: string };
      };
      assert.deepEqual([status.Self.Tags, status.Self.DNSName], [["tag:web"], `${web}.`]);
    });

    await step("a change of the policy counts at once", async () => {
      await client("admin", ["acl"], policy([8081]));
      await until("the new port to answer", () => reaches(8081));
      assert.equal(await reaches(8080), false);
      // An open connection ends with the last grant, because its peer goes.
      await must(
        "web",
        `systemd-run -q --unit=ticks socat TCP-LISTEN:8082,fork,reuseaddr SYSTEM:'while echo tick; do sleep 0.1; done'`,
      );
      await client("admin", ["acl"], policy([8082]));
      await must(
        "laptop",
        `systemd-run -q --unit=live -p StandardOutput=file:/run/ticks socat -u TCP:${web}:8082,retry=50,interval=0.2 -`,
      );
      const ticks = async (): Promise<number> =>
        (await onHost("laptop", "cat /run/ticks 2>/dev/null || echo")).stdout.length;
      const grows = async (): Promise<boolean> => {
        const before = await ticks();
        await new Promise((done) => setTimeout(done, 500));
        return (await ticks()) > before;
      };
      await until("the live connection", grows);
      await client("admin", ["acl"], policy([]));
      await until("the live connection to stop", async () => !(await grows()));
    });

    await step("a single-use key that was used is refused", async () => {
      const list = await fetch(`${lab.tailnetEndpoint}/api/v2/tailnet/-/keys`, {
        headers: { authorization: `Bearer ${tailnetAccess.apiKey}` },
      });
      const { keys: known } = (await list.json()) as { keys: { invalid: boolean }[] };
      assert.deepEqual(
        known.map(({ invalid }) => invalid),
        [true, true],
      );
      const socket = "--socket=/run/second.sock";
      await must(
        "laptop",
        `systemd-run -q --unit=second -E TS_NO_LOGS_NO_SUPPORT=true /usr/local/bin/tailscaled --tun=userspace-networking --state=mem: ${socket}`,
      );
      await until("the second daemon", async () => (await onHost("laptop", "test -S /run/second.sock")).exitCode === 0);
      const refused = await joinTailnet("laptop", webKey, socket);
      assert.notEqual(refused.exitCode, 0);
      assert.match(refused.stderr, /auth ?key.*(used|invalid|expired)/i);
    });

    await step("a deleted device is gone", async () => {
      await client("admin", ["acl"], policy([8080]));
      await until("the web host to answer", () => reaches(8080));
      await client("admin", ["delete", "laptop"]);
      await until("its peer to forget it", async () => !(await must("web", "tailscale status")).includes("laptop"));
      assert.equal(await reaches(8080), false);
    });

    await step("nothing was sent outside", async () => {
      assert.deepEqual(await outside(), []);
    });
  } finally {
    await stopLab(options);
    removeKeyPair(keys);
    rmSync(folder, { recursive: true });
  }
  const { stdout } = await tryRun(["pgrep", "-f", `${lab.stateDir}/tailnet`]);
  assert.equal(stdout, "", "no process of the tailnet is left");
});
