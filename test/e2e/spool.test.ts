import assert from "node:assert/strict";
import { host } from "./hostTest";
import { Keys } from "./keys";

/**
 * The primary user's attack, while it has an envelope applied again and again: one process changes the file that is being
 * read, another one tries to change what the receiver has put aside. argv: file, good and evil envelope, rounds.
 */
const racer = `
import collections, glob, os, subprocess, sys
good, evil = (open(path, "rb").read() for path in sys.argv[2:4])
assert len(good) == len(evil)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
os.pwrite(fd, good, 0)
flips = os.fork()
if flips == 0:
    while True:
        os.pwrite(fd, evil, 0)
        os.pwrite(fd, good, 0)
swaps = os.fork()
if swaps == 0:
    script = evil.split(b"\\n\\n", 1)[1]
    while True:
        for name in ("envelope", "message", "script"):
            for path in glob.glob("/run/monoclaw/spool.*/" + name) + glob.glob("/tmp/*/" + name):
                try:
                    open(path, "r+b").write(script if name == "script" else evil)
                except OSError:
                    pass
codes = collections.Counter()
for _ in range(int(sys.argv[4])):
    with open(sys.argv[1], "rb") as envelope:
        codes[subprocess.run(["sudo", "-n", "monoclaw-config", "apply"], stdin=envelope, capture_output=True).returncode] += 1
for pid in (flips, swaps):
    os.kill(pid, 9)
    os.wait()
print(dict(codes))
`;

const hostTest = host("ssh", { gateway: false });

hostTest("an envelope that changes while it is verified: only the verified bytes run", async (stack) => {
  const keys = await Keys.of(stack);
  // Large, so that it is read in many pieces.
  const padding = `# ${"x".repeat(1000)}\n`.repeat(100);
  const good = keys.envelope("e2e-race", `touch /root/e2e-good\n${padding}touch /root/e2e-good\n`).text;
  const evil = good.replaceAll("/root/e2e-good", "/root/e2e-evil");
  const into = async (path: string, text: string) => stack.ssh(`umask 077; cat >${path}`, { input: text });
  await into("e2e-good", good);
  await into("e2e-evil", evil);
  await into("e2e-racer.py", racer);
  try {
    const result = await stack.ssh("python3 e2e-racer.py e2e-envelope e2e-good e2e-evil 40");
    assert.equal(result.exitCode, 0, result.all);
    const found = await stack.root("ls /root | grep e2e-");
    assert.equal(found, "e2e-good\n", "bytes ran that nobody had signed");
    assert.match(
      result.stdout,
      /^\{(?=.*\b0: \d+)(?=.*\b86: \d+)/,
      "one of the two was never read, so this shows nothing",
    );
    assert.doesNotMatch(result.stdout, /\b(?!0:|8[2346]:)\d+:/);
  } finally {
    await stack.root("rm -f /root/e2e-* /home/ops/e2e-*");
  }
});

hostTest("what a run left when all of it was killed goes with the next run, and a run's own stays", async (stack) => {
  const keys = await Keys.of(stack);
  const spools = async () => (await stack.root("find /run/monoclaw -name 'spool.*'")).trim().split("\n");
  await stack.root(
    "install -d -m 700 /run/monoclaw/spool.dead.00000000; echo left >/run/monoclaw/spool.dead.00000000/envelope",
  );
  await stack.root("mkfifo /run/e2e-go");
  const slow = keys.apply(keys.envelope("e2e-spool", "read -r _ </run/e2e-go\n").text);
  try {
    const end = Date.now() + 20_000;
    while ((await spools()).length !== 1 || (await spools())[0]?.includes("dead") === true) {
      assert.ok(Date.now() < end, `what was left stays: ${(await spools()).join()}`);
    }
    const own = await spools();
    assert.equal((await keys.apply(keys.envelope("e2e-spool2", "note fine\n").text)).exitCode, 0);
    assert.deepEqual(await spools(), own, "the run that is under way keeps its own");
  } finally {
    await stack.root("timeout 10 bash -c 'echo go >/run/e2e-go'; rm /run/e2e-go");
  }
  assert.equal((await slow).exitCode, 0, (await slow).all);
  assert.deepEqual(await spools(), [""]);
});

hostTest("what puts back after a run that ended early doesn't say in its place that it was done", async (stack) => {
  // systemd calls a run a success that ended by SIGTERM before it could say otherwise; then only this word tells.
  const said = "answer=$(mktemp); ANSWER=$answer /usr/local/vps-scripts/receiver.sh tidy; cat $answer; rm $answer";
  assert.equal(await stack.root(said), "");
});
