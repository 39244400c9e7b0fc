import assert from "node:assert/strict";
import execa from "execa";
import { sshScript } from "../../components/layers/ssh";
import { exec } from "../../lab/client";
import { until } from "./attacker";
import { fingerprint, host } from "./hostTest";
import { Keys } from "./keys";
import { instance } from "./stack";

const hostTest = host("ssh");

/** Applies a properly signed script that must fail; its reason must be told, and the host be as it was. */
function putsBack(name: string, script: string, reason: RegExp, prepare = "true", tidy = "true"): void {
  hostTest(`${name}: the reason is told and everything is put back`, async (stack) => {
    const keys = await Keys.of(stack);
    await stack.root(prepare);
    try {
      const before = await fingerprint(stack);
      const result = await keys.apply(keys.envelope("e2e", script).text);
      assert.equal(result.exitCode, 91, result.all);
      assert.match(result.all, reason);
      assert.match(result.stderr, /everything it had changed was put back/);
      assert.equal(await fingerprint(stack), before);
    } finally {
      await stack.root(tidy);
    }
  });
}

putsBack(
  "a bad sshd option",
  `put 644 root:root /etc/ssh/sshd_config.d/50-e2e.conf <<<'NoSuchOption yes'
   commit
   undo 'systemctl reload ssh'
   sshd -t`,
  /Bad configuration option: NoSuchOption/,
);
putsBack(
  "an error after the swap",
  "put 600 root:root /etc/hostname <<<gone; commit; fail 'on purpose'",
  /e2e: on purpose/,
);
putsBack("a package that doesn't exist", "packages no-such-package-anywhere", /Unable to locate package/);
putsBack(
  "a full disk",
  `put 644 root:root /etc/e2e-full/small <<<fits
   commit
   head -c 2000000 /dev/zero | put 644 root:root /etc/e2e-full/large
   commit`,
  /No space left on device/,
  "mkdir /etc/e2e-full && mount -t tmpfs -o size=1m none /etc/e2e-full",
  "umount /etc/e2e-full && rmdir /etc/e2e-full",
);

putsBack(
  "no inodes left on the disk",
  `for name in a b c d e; do put 644 root:root /etc/e2e-full/$name <<<x; commit; done`,
  /No space left on device/,
  "mkdir /etc/e2e-full && mount -t tmpfs -o nr_inodes=4 none /etc/e2e-full",
  "umount /etc/e2e-full && rmdir /etc/e2e-full",
);
putsBack(
  "/etc is read-only",
  sshScript({ primaryUser: "ops", sshPorts: [22022, 22099] }),
  /Read-only file system/,
  "mount --bind /etc /etc && mount -o remount,bind,ro /etc",
  "umount /etc",
);
putsBack(
  "another apt holds its locks",
  `apt_seconds=3
   put 644 root:root /etc/e2e-apt <<<new
   commit
   packages tree`,
  /another apt has held its lock for 3 s; run pulumi up again when it is done/,
  `systemd-run --quiet --unit=e2e-apt python3 -c 'import fcntl, time
files = [open(path, "w") for path in ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
open("/run/e2e-apt", "w")
time.sleep(300)'
   until [[ -e /run/e2e-apt ]]; do sleep 0.1; done`,
  "systemctl stop e2e-apt; rm /run/e2e-apt",
);

/** The receiver's own folder on a disk that takes nothing more. */
const state = "/var/lib/monoclaw";
const onDisk = (options: string, then: string, folder = state) =>
  `install -d -m 700 ${folder}; mkdir /run/e2e-state && mount -t tmpfs -o ${options} none /run/e2e-state && cp -a ${folder}/. /run/e2e-state/
   ${then}; mount --bind /run/e2e-state ${folder}`;
const isFull = /can't write to \/var\/lib\/monoclaw: is the disk full or read-only\? \(df -h -i/;

/** Applies a properly signed script that must be refused, with its reason, before it changes anything. */
function hasNoRoom(name: string, prepare: string, folder = state, reason = isFull): void {
  hostTest(name, async (stack) => {
    const keys = await Keys.of(stack);
    const { text } = keys.envelope("e2e-room", "put 600 root:root /etc/e2e-room <<<new; commit");
    await stack.root(prepare);
    try {
      const result = await keys.apply(text);
      assert.equal(result.exitCode, 95, result.all);
      assert.match(result.stderr, reason);
      assert.equal((await stack.tryRoot("test -e /etc/e2e-room")).exitCode, 1);
    } finally {
      await stack.root(`umount ${folder} && umount /run/e2e-state && rmdir /run/e2e-state`);
    }
    assert.equal((await keys.apply(text)).exitCode, 0);
    await stack.root("rm /etc/e2e-room");
  });
}

hasNoRoom(
  "no room on the receiver's disk: refused before a change, 95",
  onDisk("size=4m", "cat /dev/zero >/run/e2e-state/fill 2>/dev/null"),
);
hasNoRoom(
  "no inodes on the receiver's disk: refused before a change, 95",
  onDisk("nr_inodes=500", "(while : >/run/e2e-state/fill.$((++n)); do :; done) 2>/dev/null"),
);
hasNoRoom(
  "the receiver's disk is read-only: refused before a change, 95",
  onDisk("size=4m", "mount -o remount,ro /run/e2e-state"),
);
hasNoRoom(
  "no room where the receiver takes an envelope in: refused before a change, 95",
  onDisk("size=64k", "cat /dev/zero >/run/e2e-state/fill 2>/dev/null", "/run/monoclaw"),
  "/run/monoclaw",
  /can't write to \/run\/monoclaw: is it full\? \(df -h -i/,
);

hostTest("a failed layer fails `up` with its reason", async (stack) => {
  // The gateway's unit can't be written while its folder is read-only.
  await stack.root(
    "mount --bind /etc/systemd/system /etc/systemd/system && mount -o remount,bind,ro /etc/systemd/system",
  );
  stack.configure({ "monoclaw:limits": { tasksMax: 160 } });
  try {
    const output = await stack.failingUp();
    assert.match(output, /Read-only file system/);
    assert.match(output, /layer gateway failed/);
    assert.equal((await stack.root("systemctl show openclaw -p TasksMax --value")).trim(), "100");
  } finally {
    await stack.root("umount /etc/systemd/system");
    stack.configure({ "monoclaw:limits": undefined });
  }
  assert.equal((await stack.pulumi("up", "--yes", "--non-interactive")).exitCode, 0);
  assert.equal(
    (await stack.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/startupz")).trim(),
    "200",
  );
});

hostTest("a lost connection doesn't stop a layer half-way", async (stack) => {
  const keys = await Keys.of(stack);
  const slow = "touch /run/e2e-began; until [[ -e /run/e2e-go ]]; do sleep 0.1; done; touch /run/e2e-done";
  const ssh = execa("ssh", [...(await keys.deployArguments()), "apply"], {
    input: keys.envelope("e2e", slow).text,
    reject: false,
  });
  const exists = (path: string) => async () => (await stack.tryRoot(`test -e ${path}`)).exitCode === 0;
  await until("the layer runs", 20, exists("/run/e2e-began"));
  ssh.kill("SIGKILL");
  await ssh;
  await stack.root("touch /run/e2e-go");
  await until("the layer is done", 20, exists("/run/e2e-done"));
  await stack.root("rm /run/e2e-began /run/e2e-go /run/e2e-done");
});

hostTest(
  "No lock-out: a change that nobody confirms is put back; a late confirmation applies it again",
  async (stack) => {
    const keys = await Keys.of(stack);
    const script = "put 600 root:root /etc/e2e-unconfirmed <<<new; commit; confirm_within 2";
    const envelope = keys.envelope("e2e", script);
    const exists = async () => (await stack.tryRoot("test -e /etc/e2e-unconfirmed")).exitCode === 0;
    assert.equal((await keys.apply(envelope.text)).exitCode, 0);
    assert.equal(await exists(), true);
    await until("the change is put back", 20, async () => !(await exists()));
    const late = await keys.ask("confirm", "e2e", envelope.digest);
    assert.equal(late.exitCode, 93, late.all);
    assert.match(late.stderr, /run pulumi up once more/);
    assert.equal(await exists(), true);
    const soon = await keys.ask("confirm", "e2e", envelope.digest);
    assert.deepEqual([soon.exitCode, soon.stdout], [0, "e2e: confirmed over a new connection"]);
    await stack.root("rm /etc/e2e-unconfirmed");
  },
);

hostTest("the power goes in the confirm window: the boot puts the change back before sshd starts", async (stack) => {
  const keys = await Keys.of(stack);
  const script = "put 600 root:root /etc/e2e-power <<<new; commit; confirm_within 600";
  assert.equal((await keys.apply(keys.envelope("e2e", script).text)).exitCode, 0);
  assert.equal((await stack.tryRoot("test -e /etc/e2e-power && sync")).exitCode, 0);
  await execa("npm", ["run", "-s", "lab", "--", "kill", stack.labName(), "--instance", instance]);
  await stack.powerOn();
  await until("the host is up again", 60, async () => {
    const state = await exec(instance, stack.labName(), ["systemctl", "is-active", "ssh"]).catch(() => undefined);
    return state?.stdout.trim() === "active";
  });
  assert.equal((await stack.tryRoot("test -e /etc/e2e-power")).exitCode, 1);
  const order = await stack.root("systemctl show monoclaw-recover -p Before -p Result");
  assert.match(order, /Before=.*\bssh\.service\b/);
  assert.match(order, /Result=success/);
  const up = () => stack.tryRoot("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/startupz");
  await until("the gateway is back after the boot", 90, async () => (await up()).stdout === "200");
  await stack.root("rm /var/lib/monoclaw/unconfirmed/e2e");
});
