import assert from "node:assert/strict";
import { exec } from "../../lab/client";
import { instanceOf } from "../../lab/instances";
import { tryRun, waitUntil } from "../../lab/run";
import { Step } from "./e2e.test";
import { act, api, createServer, instance, KeyPair, ssh, TestServer, untilSsh } from "./labHost";

interface FirewallAnswer {
  readonly firewall: { readonly id: number };
}

const rule = (port: string, source_ips: readonly string[]): object => ({
  direction: "in",
  protocol: "tcp",
  port,
  source_ips,
});
const world = ["0.0.0.0/0", "::/0"];

/** Cloud firewalls, separation of hosts and machine, the metadata service. */
export async function networkTests(step: Step, keys: KeyPair): Promise<void> {
  const { prefix4, port, metadataPort } = instanceOf(instance);
  let web: TestServer | undefined;
  let firewall = 0;
  const guarded = (): TestServer => {
    assert.ok(web !== undefined, "the host was not created");
    return web;
  };
  /** True if a TCP connection opens, as seen from the host `from` or from this machine. */
  const reaches = async (from: string | undefined, address: string, to: number): Promise<boolean> => {
    const probe = ["timeout", "2", "bash", "-c", `exec 3<>/dev/tcp/${address}/${String(to)}`];
    const result = from === undefined ? await tryRun(probe) : await exec(instance, from, probe);
    return result.exitCode === 0;
  };
  const setRules = async (rules: readonly object[]): Promise<void> => {
    await api("POST", `/firewalls/${String(firewall)}/actions/set_rules`, { rules });
  };
  const ping = async (from: string, address: string): Promise<boolean> =>
    (await exec(instance, from, ["ping", "-c", "1", "-W", "2", address])).exitCode === 0;

  await step("a firewall given at creation is in force from the first packet", async () => {
    firewall = (await api<FirewallAnswer>("POST", "/firewalls", { name: "closed", rules: [] })).firewall.id;
    const listen = "#cloud-config\nbootcmd:\n - [sh, -c, 'python3 -m http.server 80 --bind :: >/dev/null 2>&1 &']\n";
    const { ssh_keys } = await api<{ ssh_keys: { id: number }[] }>("GET", "/ssh_keys");
    const creating = createServer("web", {
      ssh_keys: ssh_keys.map(({ id }) => id),
      user_data: listen,
      firewalls: [{ firewall }],
    });
    web = await creating;
    // From before it boots until both services listen inside, nothing gets through.
    let opened = 0;
    const closed = async (): Promise<boolean> => {
      opened +=
        (await reaches(undefined, guarded().ipv4, 80)) || (await reaches(undefined, guarded().ipv6, 22)) ? 1 : 0;
      const status = await exec(instance, "web", ["sh", "-c", "ss -Hltn 'sport = :80 or sport = :22' | wc -l"]);
      return status.stdout.trim() === "3";
    };
    await waitUntil(closed, { deadline: 60_000, what: "the services of web" });
    assert.equal(opened, 0);
    assert.equal(await reaches(undefined, web.ipv4, 22), false);
    assert.equal(await reaches("one", web.ipv4, 22), false);
    assert.equal(await ping("one", web.ipv4), false);
  });

  await step("its host still gets answers to what it asks", async () => {
    const { exitCode, stderr } = await exec(instance, "web", [
      "sh",
      "-c",
      "cloud-init status --wait && apt-get update",
    ]);
    assert.equal(exitCode, 0, stderr);
    assert.equal(await ping("web", `${prefix4}.1`), true);
  });

  await step("rules open ports, for the sources that they name, in both families", async () => {
    await setRules([rule("22", world), rule("80", ["192.0.2.0/24"])]);
    await untilSsh(keys, guarded().ipv4);
    assert.equal((await ssh(keys, guarded().ipv6, "hostname")).stdout.trim(), "web");
    assert.equal(await reaches(undefined, guarded().ipv4, 80), false);
    const one = await exec(instance, "one", ["hostname", "-I"]);
    const [ipv4 = ""] = one.stdout.split(" ");
    await setRules([rule("22", world), rule("80", [`${ipv4}/32`])]);
    await waitUntil(() => reaches("one", guarded().ipv4, 80), { deadline: 5_000, what: "port 80 to open" });
    assert.equal(await reaches(undefined, guarded().ipv4, 80), false);
    assert.equal(await reaches("one", guarded().ipv6, 80), false);
    await setRules([rule("22", world), { direction: "in", protocol: "icmp", source_ips: ["::/0"] }]);
    await waitUntil(() => ping("one", guarded().ipv6), { deadline: 5_000, what: "ping to pass" });
    assert.equal(await ping("one", guarded().ipv4), false);
    assert.equal(await reaches("one", guarded().ipv4, 80), false);
  });

  await step("an outbound rule closes everything else outbound", async () => {
    assert.equal(await reaches("web", guarded().ipv4.replace(/\d+$/, "1"), metadataPort), false);
    const [one = ""] = (await exec(instance, "one", ["hostname", "-I"])).stdout.split(" ");
    assert.equal(await reaches("web", one, 22), true);
    const out = { direction: "out", protocol: "udp", port: "53", destination_ips: world };
    await setRules([rule("22", world), out]);
    await waitUntil(async () => !(await reaches("web", one, 22)), { deadline: 10_000, what: "port 22 to close" });
    assert.equal((await exec(instance, "web", ["resolvectl", "flush-caches"])).exitCode, 0);
    assert.equal((await ssh(keys, guarded().ipv4, "true")).exitCode, 0, "answers to SSH must pass");
    const metadata = await exec(instance, "web", [
      "curl",
      "-sS",
      "http://169.254.169.254/hetzner/v1/metadata/hostname",
    ]);
    assert.equal(metadata.stdout, "web", "the metadata service is beyond firewalls");
  });

  await step("without a firewall everything is open", async () => {
    const target = { type: "server", server: { id: guarded().id } };
    await api("POST", `/firewalls/${String(firewall)}/actions/remove_from_resources`, { remove_from: [target] });
    await waitUntil(() => reaches(undefined, guarded().ipv4, 80), { deadline: 5_000, what: "port 80 to open" });
    assert.equal(await ping("one", guarded().ipv4), true);
    assert.equal(await ping("one", guarded().ipv6), true);
  });

  await step("metadata: each host sees its own, and none of another by a borrowed address", async () => {
    const get = async (host: string, path: string, ...extra: string[]): Promise<string> =>
      (await exec(instance, host, ["curl", "-sS", "-m", "3", ...extra, `http://169.254.169.254/hetzner/v1/${path}`]))
        .stdout;
    assert.equal(await get("web", "metadata/instance-id"), String(guarded().id));
    assert.equal(await get("web", "metadata/public-ipv4"), guarded().ipv4);
    assert.match(await get("web", "userdata"), /^#cloud-config\nbootcmd/);
    assert.match(await get("web", "metadata"), /^hostname: web$/m);
    assert.doesNotMatch(await get("one", "userdata"), /bootcmd/);
    await exec(instance, "one", ["ip", "address", "add", `${guarded().ipv4}/32`, "dev", "eth0"]);
    assert.equal(await get("one", "userdata", "--interface", guarded().ipv4), "");
    await exec(instance, "one", ["ip", "address", "del", `${guarded().ipv4}/32`, "dev", "eth0"]);
  });

  await step("packets with a borrowed source address go nowhere", async () => {
    const code = {
      receive:
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9999)); s.settimeout(8); print(s.recv(9))",
      send: "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 0)); s.sendto(sys.argv[1].encode()[-3:], (sys.argv[2], 9999))",
    };
    const borrowed = `${prefix4}.240`;
    const [own = ""] = (await exec(instance, "one", ["hostname", "-I"])).stdout.split(" ");
    await exec(instance, "one", ["ip", "address", "add", `${borrowed}/32`, "dev", "eth0"]);
    const received = exec(instance, "web", ["python3", "-c", code.receive]);
    const listening = ["sh", "-c", "ss -Hlun 'sport = :9999' | grep -c ."];
    const isUp = async (): Promise<boolean> => (await exec(instance, "web", listening)).exitCode === 0;
    await waitUntil(isUp, { deadline: 5_000, what: "the receiver" });
    for (const source of [borrowed, own]) {
      const { exitCode, stderr } = await exec(instance, "one", ["python3", "-c", code.send, source, guarded().ipv4]);
      assert.equal(exitCode, 0, stderr);
    }
    assert.equal(
      (await received).stdout.trim(),
      `b'${own.slice(-3)}'`,
      "the first that arrives must be the honest one",
    );
    await exec(instance, "one", ["ip", "address", "del", `${borrowed}/32`, "dev", "eth0"]);
  });

  await step("hosts reach the outside, and nothing of this machine", async () => {
    assert.equal(await reaches("one", `${prefix4}.1`, port), false);
    const own =
      (await tryRun(["hostname", "-I"])).stdout.split(" ").find((address) => !address.startsWith(prefix4)) ?? "";
    assert.equal(await reaches("one", own, port), false);
    const listening = await tryRun(["ss", "-Hltn", `sport = :${String(port)}`]);
    assert.match(listening.stdout, new RegExp(`127\\.0\\.0\\.1:${String(port)}`));
    assert.equal(listening.stdout.trim().split("\n").length, 1, listening.stdout);
  });

  await step("the addresses of a server that was off can change", async () => {
    await act(guarded(), "poweroff");
    const { server } = await api<{ server: { public_net: { ipv4: { id: number } } } }>(
      "GET",
      `/servers/${String(guarded().id)}`,
    );
    await api("POST", `/primary_ips/${String(server.public_net.ipv4.id)}/actions/unassign`);
    const wish = { name: "new", type: "ipv4", assignee_id: guarded().id, assignee_type: "server" };
    const { primary_ip } = await api<{ primary_ip: { ip: string } }>("POST", "/primary_ips", wish);
    assert.notEqual(primary_ip.ip, guarded().ipv4);
    await act(guarded(), "poweron");
    await untilSsh(keys, primary_ip.ip);
  });
}
