import assert from "node:assert/strict";
import { join } from "node:path";
import { exec, ls } from "../../lab/client";
import { tryRun, waitUntil } from "../../lab/run";
import { Step } from "./e2e.test";
import { act, api, createServer, instance, KeyPair, ssh, statusOf, TestServer, untilSsh } from "./labHost";

const userData = `#cloud-config
write_files:
  - {path: /etc/from-user-data, content: "it's here", permissions: "0640"}
runcmd:
  - [sh, -c, "echo done >/root/ran"]
`;

const cli = (...args: string[]): ReturnType<typeof tryRun> =>
  tryRun([
    process.execPath,
    "--import",
    "tsx",
    join(__dirname, "..", "..", "lab", "cli.ts"),
    "--instance",
    instance,
    ...args,
  ]);

/** A host's life: first boot, what works inside, power, rebuild, deletion. */
export async function hostTests(step: Step, keys: KeyPair): Promise<void> {
  let host: TestServer | undefined;
  const one = (): TestServer => {
    assert.ok(host !== undefined, "the host was not created");
    return host;
  };
  const inside = async (...argv: string[]): Promise<string> => {
    const result = await exec(instance, "one", argv);
    assert.equal(result.exitCode, 0, `${argv.join(" ")}: ${result.stderr}`);
    return result.stdout.trim();
  };
  const untilStatus = (status: string): Promise<boolean> =>
    waitUntil(async () => (await statusOf(one())) === status, { deadline: 30_000, what: `status ${status}` });
  const bootId = (): Promise<string> => inside("cat", "/proc/sys/kernel/random/boot_id");

  await step("a server boots with its user_data, keys, name and addresses", async () => {
    const key = await api<{ ssh_key: { id: number } }>("POST", "/ssh_keys", {
      name: "test",
      public_key: keys.publicKey,
    });
    host = await createServer("one", { ssh_keys: [key.ssh_key.id], user_data: userData });
    await untilSsh(keys, host.ipv4);
    const status = await inside("cloud-init", "status", "--wait", "--long");
    assert.match(status, /^status: done$/m);
    assert.match(status, /^errors: \[\]$/m);
    assert.equal(await inside("cat", "/etc/from-user-data"), "it's here");
    assert.equal(await inside("cat", "/root/ran"), "done");
    assert.equal(await inside("hostname"), "one");
    assert.equal(await inside("cat", "/root/.ssh/authorized_keys"), keys.publicKey);
    assert.equal(await inside("getent", "passwd", "debian").catch(() => "none"), "none");
    const addresses = await inside("ip", "-brief", "address", "show", "dev", "eth0");
    assert.ok(addresses.includes(`${host.ipv4}/24`) && addresses.includes(`${host.ipv6}/64`), addresses);
    assert.equal((await ssh(keys, host.ipv6, "hostname")).stdout.trim(), "one");
  });

  await step("a server has the memory of its type: what takes more is ended there", async () => {
    const take = (gigabytes: number) =>
      exec(instance, "one", [
        ...["systemd-run", "--quiet", "--wait", "--collect", "python3", "-c"],
        `taken = bytearray(${String(gigabytes)} << 30)`,
      ]);
    assert.equal((await take(1)).exitCode, 0);
    assert.notEqual((await take(6)).exitCode, 0, "cx23 has 4 GB");
  });

  await step("the guest is a whole Debian 13: units, sandboxes, renames, apt, names, TLS", async () => {
    assert.match(await inside("cat", "/etc/debian_version"), /^13\./);
    assert.equal(await inside("systemctl", "is-system-running", "--wait"), "running");
    assert.equal(await inside("findmnt", "-no", "FSTYPE", "/sys/fs/cgroup"), "cgroup2");
    // mv would copy where a rename of a folder of the shared layer fails.
    const rename = 'import os; os.rename("/usr/share/bash-completion", "/usr/share/moved")';
    await inside("python3", "-c", rename);
    const sandbox = [
      "PrivateTmp=yes",
      "ProtectSystem=strict",
      "ProtectHome=yes",
      "PrivateDevices=yes",
      "PrivateUsers=yes",
    ];
    const flags = sandbox.flatMap((property) => ["-p", property]);
    assert.equal(await inside("systemd-run", "--quiet", "--pipe", "--wait", ...flags, "id", "-u"), "0");
    const denied = ["systemd-run", "--quiet", "--pipe", "--wait", "-p", "IPAddressDeny=169.254.0.0/16"];
    const metadata = ["curl", "-sS", "-m", "2", "http://169.254.169.254/hetzner/v1/metadata/hostname"];
    assert.equal(await inside(...metadata), "one");
    assert.notEqual((await exec(instance, "one", [...denied, ...metadata])).exitCode, 0);
    await inside("apt-get", "-q", "-y", "install", "--no-install-recommends", "nftables");
    await inside("nft", "add", "table", "inet", "mine");
    await inside("test", "-c", "/dev/net/tun");
    const origin = await inside("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages");
    const head = ["curl", "-sS", "-o", "/dev/null", "-m", "10", "-w", "%{ssl_verify_result}"];
    const secure = (origin.split("\n")[0] ?? "").replace(/^http:/, "https:");
    assert.equal(await inside(...head, secure), "0");
  });

  await step("exec passes exit code, input and arguments, and none of the environment", async () => {
    const odd = ["a b", "$HOME", "'"];
    assert.equal(await inside("printf", "%s|", ...odd), "a b|$HOME|'|");
    const result = await exec(instance, "one", ["sh", "-c", "cat; env; pwd; exit 7"], { input: "in\n" });
    assert.equal(result.exitCode, 7);
    assert.match(result.stdout, /^in\n/);
    assert.match(result.stdout, /^HOME=\/root$/m);
    assert.doesNotMatch(result.stdout, /NODE|npm_/);
    const byCli = await cli("exec", "one", "--", "sh", "-c", "exit 9");
    assert.equal(byCli.exitCode, 9);
    await assert.rejects(exec(instance, "two", ["true"]), /has no host 'two': it has one/);
  });

  await step("ls and logs show the host", async () => {
    const [info] = JSON.parse((await cli("ls", "--json")).stdout) as { name: string; status: string; ipv4: string }[];
    assert.deepEqual([info?.name, info?.status, info?.ipv4], ["one", "running", one().ipv4]);
    assert.match((await cli("ls")).stdout, /^HOST +ID +STATUS +IPV4 +IPV6\none +\d+ +running +10\.77\.70\./);
    const { stdout } = await cli("logs", "one");
    assert.match(stdout, /Welcome to .*Debian GNU\/Linux 13/);
    assert.match(stdout, /sshd(-session)?\[\d+\]: Accepted publickey for root/);
  });

  await step("a reboot from inside starts it again, with its disk and a clean network", async () => {
    const before = await bootId();
    await exec(instance, "one", ["systemctl", "reboot"]);
    await waitUntil(async () => (await bootId().catch(() => before)) !== before, {
      deadline: 60_000,
      what: "the reboot",
    });
    await untilSsh(keys, one().ipv4);
    assert.equal(await inside("ls", "-d", "/usr/share/moved"), "/usr/share/moved");
    assert.equal(await inside("nft", "list", "tables"), "");
    assert.equal(await statusOf(one()), "running");
  });

  await step("a program that exec runs ends with the host, even one that was stopped", async () => {
    const stopped = exec(instance, "one", ["bash", "-c", "kill -STOP $$"]);
    const states = () => inside("ps", "--no-headers", "-o", "stat", "-C", "bash").catch(() => "");
    await waitUntil(async () => (await states()).includes("T"), { deadline: 20_000, what: "the program to stop" });
    assert.equal((await cli("kill", "one")).stdout, "one: power cut\n");
    assert.equal((await stopped).exitCode, 137);
    await untilStatus("off");
    await act(one(), "poweron");
    await untilSsh(keys, one().ipv4);
  });

  await step("shutdown, power on, reboot, reset and a power cut, by API and command", async () => {
    await act(one(), "shutdown");
    await untilStatus("off");
    await assert.rejects(exec(instance, "one", ["true"]), /host 'one' is off/);
    assert.match((await cli("logs", "one")).stdout, /Powering off|reboot: Power down|System Power Off/i);
    await act(one(), "poweron");
    await untilSsh(keys, one().ipv4);
    const first = await bootId();
    await act(one(), "reboot");
    await waitUntil(async () => (await bootId().catch(() => first)) !== first, {
      deadline: 60_000,
      what: "the reboot",
    });
    await untilSsh(keys, one().ipv4);
    const second = await bootId();
    await act(one(), "reset");
    await untilSsh(keys, one().ipv4);
    assert.notEqual(await bootId(), second);
    assert.equal((await cli("kill", "one")).stdout, "one: power cut\n");
    await untilStatus("off");
    await act(one(), "poweron");
    await untilSsh(keys, one().ipv4);
    assert.equal(await inside("cat", "/root/ran"), "done");
  });

  await step("rebuild gives a new disk and boots with the same keys", async () => {
    await act(one(), "rebuild", { image: "debian-13", user_data: "#cloud-config\n{}\n" });
    await untilSsh(keys, one().ipv4);
    assert.notEqual((await exec(instance, "one", ["ls", "/usr/share/moved"])).exitCode, 0);
    assert.notEqual((await exec(instance, "one", ["ls", "/etc/from-user-data"])).exitCode, 0);
  });

  await step("a server without a key gets a root password that works once", async () => {
    const answer = await api<{ root_password: string }>("POST", "/servers", {
      name: "bare",
      server_type: "cx23",
      image: "debian-13",
    });
    const bare = (): Promise<{ stdout: string; exitCode: number }> =>
      exec(instance, "bare", ["sh", "-c", "cloud-init status --wait >/dev/null; getent shadow root"]);
    const shadow = await waitUntil(async () => await bare().catch(() => undefined), {
      deadline: 60_000,
      what: "the host bare",
      interval: 200,
    });
    // yescrypt of the password, and a last change of 0: it must be changed at the first login.
    const [, hash = "", changed] = shadow.stdout.split(":");
    const script = "import crypt,sys; print(crypt.crypt(sys.argv[1], sys.argv[2]))";
    const computed = await tryRun(["python3", "-W", "ignore", "-c", script, answer.root_password, hash]);
    assert.equal(computed.stdout.trim(), hash);
    assert.equal(changed, "0");
    const { id } = (await ls(instance)).find(({ name }) => name === "bare") ?? assert.fail("no host bare");
    await api("DELETE", `/servers/${String(id)}`);
    assert.equal((await ls(instance)).length, 1);
  });
}
