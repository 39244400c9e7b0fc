import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../e2e/attacker";
import { Keys } from "../e2e/keys";
import type { TestStack } from "../e2e/stack";
import { attacks } from "./attempts";

// The session that carries an envelope and its answer belongs to the primary user: his other processes read and write it.
const attack = attacks();

/** Takes what comes in, and says what it likes. The answer that it kept is a real one, to another envelope. */
const startFiles = {
  "a forged answer": `printf 'monoclaw-answer 1\\nrequest %064d\\noutcome done\\nlength 5\\n\\ndone\\n' 0`,
  "an answer in the first format": "echo 'fail2ban: done'; echo 'dashboard: https://evil.example'",
  "an earlier answer of the host's": 'cat "$HOME/answer"',
  "no answer": "true",
};

/** Puts a start file in force that runs before any command of the user's, the forced ones too. */
async function plant(stack: TestStack, says: string): Promise<void> {
  const script = `[[ -n \${SSH_ORIGINAL_COMMAND-} ]] || return\ncat >>"$HOME/stolen"\n${says}\nexit 0\n`;
  await stack.root("cat >/home/ops/.bashrc; chown ops: /home/ops/.bashrc", script);
}

const unplant = "rm -f /home/ops/.bashrc /home/ops/stolen /home/ops/answer";
const bantime = async (stack: TestStack) => (await stack.root("fail2ban-client get sshd bantime")).trim();

/** What the stack wants of a layer that the attacker answers for. */
const wanted = randomInt(3700, 9000);

attack("answers in the host's place", "primary user", Object.keys(startFiles), async (stack, way) => {
  const keys = await Keys.of(stack);
  stack.configure({ "monoclaw:fail2ban": { bantime: wanted } });
  try {
    const real = await keys.deploy("apply", keys.envelopes.get("updates") ?? "");
    await stack.root("cat >/home/ops/answer", real.stdout);
    await plant(stack, startFiles[way as keyof typeof startFiles]);
    // In the state there is the forged answer of the run before, which isn't believed either.
    assert.match(await stack.failingUp("--skip-preview"), /the answer isn't signed by the host/);
    assert.notEqual(await bantime(stack), String(wanted));
  } finally {
    await stack.root(unplant);
  }
});

attack("leaves his answers behind in the stack's state", "primary user", ["and goes"], async (stack) => {
  await stack.up();
  assert.equal(await bantime(stack), String(wanted));
  assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
});

attack("reads a layer's secret on its way", "primary user", ["a start file"], async (stack) => {
  const keys = await Keys.of(stack);
  try {
    await plant(stack, "true");
    await keys.deploy("apply", keys.envelopes.get("gateway-token") ?? "");
    const stolen = await stack.root("cat /home/ops/stolen");
    assert.match(stolen, /^-----BEGIN AGE ENCRYPTED FILE-----$/m, "nothing was read: this test shows nothing");
    const token = await stack.token();
    assert.ok(!stolen.includes(token) && !stolen.includes(Buffer.from(token).toString("base64").slice(0, 40)));
  } finally {
    await stack.root(unplant);
  }
});

/** Where a process of his keeps what it reads, see fdWatcher.py. */
const watched = "/home/ops/fd-watcher";

/** Has that process run beside all sessions of the deploy key; `kept` gives back what is in a file of its. */
async function beside(
  stack: TestStack,
  does: "read" | "before" | "instead",
  body: (kept: (file: string) => Promise<string>) => Promise<void>,
): Promise<void> {
  const program = readFileSync(join(__dirname, "fdWatcher.py"), "utf8");
  await stack.ssh("mkdir fd-watcher && cat >fd-watcher/fdWatcher.py", { input: program });
  try {
    await stack.ssh(`setsid python3 fd-watcher/fdWatcher.py fd-watcher ${does} >fd-watcher/said 2>&1 </dev/null &`);
    await until("it watches", 10, async () => (await stack.tryRoot(`test -e ${watched}/ready`)).exitCode === 0);
    await body(async (file) => (await stack.tryRoot(`cat ${watched}/${file}`)).stdout);
  } finally {
    await stack.tryRoot(`pkill -KILL -u ops -f fdWatcher.py; pkill -CONT -u ops; rm -rf ${watched}`);
  }
}

/** It is a race with the session's own processes, which it seldom loses. */
const tries = 6;

attack(
  "reads a layer's secret out of the session's processes",
  "primary user",
  ["another process of his"],
  async (stack) => {
    const token = await stack.token();
    const urns = (await stack.resources()).map(({ urn }) => urn);
    const sent = urns.filter((urn) => /-(packages|gateway-token)-apply$/.test(urn));
    assert.equal(sent.length, 2);
    try {
      await beside(stack, "read", async (kept) => {
        const isRead = async () => /^layer gateway-token$/m.test(await kept("kept"));
        for (let count = 0; count < tries && !(await isRead()); count++) {
          stack.configure({ "monoclaw:serial": Date.now() }); // all that is sent is sent again
          const targets = sent.flatMap((urn) => ["--target", urn]);
          await stack.pulumi("up", "--yes", "--non-interactive", "--skip-preview", ...targets);
        }
        const all = await kept("kept");
        assert.match(all, /^layer gateway-token$/m, `nothing was read, so this shows nothing: ${await kept("said")}`);
        assert.match(all, /^-----BEGIN AGE ENCRYPTED FILE-----$/m);
        assert.ok(!all.includes(token) && !all.includes(Buffer.from(token).toString("base64").slice(0, 40)));
      });
    } finally {
      stack.configure({ "monoclaw:serial": undefined });
    }
  },
);

/** Where the forged answer stands, and what fdWatcher.py is told for it. */
const answers = {
  "before the host's own answer": "before",
  "in the place of the host's own answer": "instead",
} as const;

attack("writes an answer into the session", "primary user", Object.keys(answers), async (stack, way) => {
  let bans = randomInt(10_000, 20_000);
  await beside(stack, answers[way as keyof typeof answers], async (kept) => {
    const isForged = async () => (await kept("forged")) !== "";
    for (let count = 0; count < tries && !(await isForged()); count++) {
      stack.configure({ "monoclaw:fail2ban": { bantime: ++bans } });
      const up = await stack.pulumi("up", "--yes", "--non-interactive", "--skip-preview");
      if (up.exitCode !== 0 || (await isForged())) assert.match(up.all, /the answer isn't signed by the host/);
      assert.equal(up.exitCode === 0, !(await isForged()), up.all);
      assert.doesNotMatch(JSON.stringify(await stack.outputs()), /forged/);
    }
    assert.ok(await isForged(), `nothing was forged, so this shows nothing: ${await kept("said")}`);
  });
  await stack.up();
  assert.equal(await bantime(stack), String(bans));
  assert.doesNotMatch(JSON.stringify(await stack.resources()), /999 pass, forged/);
});

attack(
  "hands in again what it has seen",
  "deploy key",
  ["a superseded layer", "the confirmation of a superseded layer", "an envelope of the machine before"],
  async (stack, way) => {
    const keys = await Keys.of(stack);
    const layer = "attack-replay";
    const apply = async (text: string) => {
      const applied = await keys.apply(text);
      assert.equal(applied.exitCode, 0, applied.all);
    };
    const old = keys.envelope(layer, "put 600 root:root /etc/attack-replay <<<old; commit; confirm_within 600\n");
    const confirmation = keys.envelope(layer, "", undefined, { act: "confirm", digest: old.digest });
    try {
      await apply(old.text);
      await apply(confirmation.text);
      await apply(keys.envelope(layer, "put 600 root:root /etc/attack-replay <<<new; commit\n").text);
      if (way.startsWith("an envelope")) {
        // A server that was replaced has no history, and a host key of its own.
        await stack.root(`rm /var/lib/monoclaw/applied/${layer}; cp -a /etc/ssh/ssh_host_ed25519_key.pub /run/own.pub
          ssh-keygen -q -t ed25519 -N '' -f /run/other; cat /run/other.pub >/etc/ssh/ssh_host_ed25519_key.pub`);
      }
      const replayed = await keys.deploy("apply", way.includes("confirmation") ? confirmation.text : old.text);
      assert.notEqual(replayed.exitCode, 0, replayed.all);
      assert.equal(await stack.root("cat /etc/attack-replay"), "new\n");
    } finally {
      await stack.root(`rm -f /etc/attack-replay
        [[ ! -e /run/own.pub ]] || mv /run/own.pub /etc/ssh/ssh_host_ed25519_key.pub; rm -f /run/other /run/other.pub`);
    }
  },
);

attack(
  "takes the host off its tailnet, or something out of force, with words that need no signature",
  "deploy key",
  [
    "leave",
    "leave-soon",
    `confirm ssh ${"0".repeat(64)}`,
    `await ssh ${"0".repeat(64)}`,
    "first-contact",
    "repair",
    "tidy",
  ],
  async (stack, way) => {
    const keys = await Keys.of(stack);
    const key = await stack.root("cat /etc/ssh/ssh_host_ed25519_key.pub");
    const said = await keys.deploy(way);
    // The first contact is over: it prints a public key. The ways out of the tailnet are words of the last release, and do nothing.
    assert.equal(said.exitCode === 0, ["first-contact", "leave", "leave-soon"].includes(way), said.all);
    assert.doesNotMatch(await stack.root("journalctl -b -t monoclaw -o cat"), /off its tailnet/);
    assert.equal(await stack.root("cat /etc/ssh/ssh_host_ed25519_key.pub"), key);
    await until("nothing runs", 10, async () => (await stack.tryRoot("pgrep -f receiver.sh")).exitCode !== 0);
  },
);
