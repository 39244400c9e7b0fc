import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Attacker } from "./attacker";
import { mutations } from "./auditMutations";
import { shutsOut } from "./bans";
import { sshdRows } from "../spec/sshd";
import { host, stackTest } from "./hostTest";
import { becameKind, newOfKind } from "./kinds";
import { configureExisting, rentedServer, rootKey } from "./rented";
import type { TestStack } from "./stack";

const image = "debian-12";
const hostTest = host(image);

let made: Promise<TestStack> | undefined;
/** The machine as its provider left it, and a stack that is to take it. */
const machine = (): Promise<TestStack> => (made ??= newOfKind(image));

/** True if somebody takes a TCP connection there. */
async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: 3000 });
  try {
    await Promise.race([
      once(socket, "connect"),
      once(socket, "timeout").then(() => Promise.reject(new Error("silence"))),
    ]);
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Changes keys of the group `existing`, for one run of the engine. */
async function withExisting<T>(
  stack: TestStack,
  changed: Readonly<Record<string, string>>,
  body: () => Promise<T>,
): Promise<T> {
  await configureExisting(stack, image, changed);
  try {
    return await body();
  } finally {
    await configureExisting(stack, image, {});
  }
}

/** Files that changed since the last mark, and the ports that are open to others. */
const untouched =
  "find /etc /usr/local /home /root -newer /run/before -type f | sort; ss -Hltn | awk '/:22/ {print $4}' | sort";
const listening = "0.0.0.0:22\n[::]:22";

stackTest("existing: another host key is refused before anything is sent", machine, async (stack) => {
  await stack.root("touch /run/before");
  const other = `ssh-ed25519 ${Buffer.from("0000000b7373682d6564323535313900000020" + "11".repeat(32), "hex").toString("base64")}`;
  const output = await withExisting(stack, { hostKey: other }, () => stack.failingUp("--skip-preview"));
  assert.match(output, /host key mismatch/);
  assert.equal((await stack.root(untouched)).trim(), listening);
});

stackTest("existing: everything in the way is told at once, and nothing is changed", machine, async (stack) => {
  await stack.root(`useradd -m ops; mkdir /etc/monoclaw; echo other >/etc/monoclaw/host-id; cp -a /etc/ssh/sshd_config /run/
    sed -i 's/^Include/#Include/; $ a AllowGroups root sudo' /etc/ssh/sshd_config; systemctl reload ssh; touch /run/before`);
  try {
    const output = await withExisting(stack, { user: "root" }, () => stack.failingUp("--skip-preview"));
    for (const reason of [
      /error: sshd doesn't read \/etc\/ssh\/sshd_config.d; run there, as root: sed /,
      /error: this machine obeys another stack/,
      /error: user ops exists already.*pulumi config set monoclaw:primaryUser/,
      /error: sshd lets in certain groups only/,
    ]) {
      assert.match(output, reason);
    }
    assert.equal((await stack.root(untouched)).trim(), listening);
  } finally {
    await stack.root("userdel -r ops; rm -r /etc/monoclaw; cp -a /run/sshd_config /etc/ssh/; systemctl reload ssh");
  }
});

stackTest(
  "existing: an account with sudo becomes a hardened host; the machine keeps its host key",
  machine,
  async (stack) => {
    const server = rentedServer(image);
    const before = await server.hostKey();
    const output = await stack.upAsTyped();
    assert.match(output, /note: debian can become root without a password.*deluser debian/);
    assert.match(output, /audit: \d+ pass, \d+ warn, 0 fail/);
    const { knownHosts } = await stack.outputs();
    assert.equal(knownHosts, `[${await stack.address()}]:22022 ${before}`);
    assert.equal(await server.hostKey(), before);
    assert.equal((await stack.ssh("id -un")).stdout.trim(), "ops");
    await becameKind(image, stack);
  },
);

hostTest("existing: sshd -T says every row though 50-cloud-init.conf says the contrary", async (stack) => {
  const there = await stack.root("cat /etc/ssh/sshd_config.d/50-cloud-init.conf");
  assert.match(there, /^PasswordAuthentication yes\nPermitRootLogin yes$/m);
  const effective = (await stack.root("sshd -T -C user=ops,host=somewhere,addr=203.0.113.7")).split("\n");
  for (const row of Object.values(sshdRows).flat()) {
    const [key = ""] = row.split(" ");
    assert.deepEqual(
      effective.filter((line) => line.startsWith(`${key} `)),
      [row],
    );
  }
  assert.match(await stack.root("cat /etc/ssh/sshd_config"), /^# monoclaw: Port 22$/m);
  const files = (await stack.root("ls /etc/ssh/sshd_config.d")).trim().split("\n");
  assert.deepEqual(files, [
    ...[
      "00-monoclaw.conf",
      "50-cloud-init.conf",
      "60-cloudimg-settings.conf",
      "70-old-owner.conf.disabled",
      "99-custom.conf",
    ],
  ]);
});

hostTest("existing: no password opens any account any more", async (stack) => {
  assert.match(await stack.root("passwd -S bob"), /^bob L /);
});

hostTest("existing: port 22 is closed, and the keys of root and of the old account open nothing", async (stack) => {
  const address = await stack.address();
  assert.deepEqual([await answers(address, 22022), await answers(address, 22)], [true, false]);
  assert.equal(await stack.root("ls -A /root/.ssh"), "");
  for (const user of ["root", "debian", "bob"]) {
    const answer = await stack.ssh("id", { user, key: rootKey(image) });
    assert.match(answer.stderr, /Permission denied \(publickey\)/, user);
  }
});

hostTest("existing: a second up changes nothing, though the key that once opened root is gone", async (stack) => {
  await configureExisting(stack, image, { privateKey: undefined });
  const output = await stack.pulumi("preview", "--diff", "--non-interactive", "--expect-no-changes");
  assert.equal(output.exitCode, 0, output.all);
});

hostTest("Debian 12: the audit has no failure, and the same rows as on Debian 13", async (stack) => {
  const { rows } = JSON.parse((await stack.tryRoot("monoclaw-security --json")).stdout) as {
    rows: { row: string; status: string }[];
  };
  assert.deepEqual(
    rows.filter(({ status }) => status === "FAIL"),
    [],
  );
  // audit.test.ts compares the same table with Debian 13.
  assert.deepEqual(rows.map(({ row }) => row).sort(), [...new Set(mutations.flatMap((each) => each.rows))].sort());
});

hostTest("Debian 12: unattended-upgrades takes security updates and no others", async (stack) => {
  assert.match(await stack.root("cat /etc/os-release"), /^VERSION_CODENAME=bookworm$/m);
  const said = await stack.root("unattended-upgrades --dry-run --debug 2>&1");
  const refused = [...said.matchAll(/^Marking not allowed <.*?a=([^,]*),/gm)].map(([, archive]) => archive).sort();
  assert.deepEqual(refused, ["oldstable", "oldstable-updates"]);
  const known = await stack.root("apt-cache policy");
  assert.match(known, /a=oldstable-security/, "the security archive is there, and wasn't refused");
});

hostTest("Debian 12: five failed logins shut a stranger out, as fail2ban's jail says", async (stack) => {
  const stranger = await Attacker.make("e2e-bookworm");
  try {
    await shutsOut(stack, stranger);
  } finally {
    await stranger.destroy();
  }
});
