import assert from "node:assert/strict";
import { until } from "../e2e/attacker";
import { Keys } from "../e2e/keys";
import type { TestStack } from "../e2e/stack";
import { attacks } from "./attempts";

// Whoever may call the host's commands must not be able to keep the stack, a roll-back or an audit from their turn.
const attack = attacks({ gateway: false });

/** Runs a command of sudo's whose output nobody ever reads: the pipe is full before it starts. Ends when the command does. */
const deaf = `
import fcntl, os, subprocess, sys
reader, writer = os.pipe()
fcntl.fcntl(writer, 1031, 4096)
os.set_blocking(writer, False)
try:
    while True:
        os.write(writer, b"x" * 4096)
except BlockingIOError:
    pass
os.set_blocking(writer, True)
envelope = open(sys.argv[1]) if sys.argv[1] != "-" else subprocess.DEVNULL
print(subprocess.run(["sudo", "-n", *sys.argv[2:]], stdin=envelope, stdout=writer, stderr=writer).returncode)
`;

/** Puts it on the host; gives back how to begin a deaf run in the background. */
async function prepare(stack: TestStack): Promise<(input: string, command: string) => Promise<void>> {
  await stack.ssh("cat >deaf.py", { input: deaf });
  return async (input, command) => {
    const file = input === "" ? "-" : "deaf.in";
    if (input !== "") await stack.ssh(`cat >${file}`, { input });
    await stack.ssh(`setsid python3 deaf.py ${file} ${command} >deaf.out 2>&1 </dev/null &`);
  };
}

/** Ends whatever of it is left. */
async function end(stack: TestStack): Promise<void> {
  await stack.tryRoot(
    "pkill -KILL -f deaf.py; pkill -KILL -f 'monoclaw-(config|security)'; systemctl stop 'run-*.service'",
  );
}

attack(
  "keeps a layer's lock by not reading the answer",
  "primary user",
  ["apply", "confirm of what is in force", "confirm of nothing", "await of nothing"],
  async (stack, way) => {
    const keys = await Keys.of(stack);
    const begin = await prepare(stack);
    const layer = `attack-${way.replaceAll(" ", "-")}`.slice(0, 32);
    const current = keys.envelope(layer, "note first\n");
    assert.equal((await keys.apply(current.text)).exitCode, 0);
    try {
      const digest = way.endsWith("nothing") ? "0".repeat(64) : current.digest;
      const act = way.startsWith("confirm") ? "confirm" : "await";
      // He kept a copy of what the stack sent.
      const copy = way === "apply" ? current : keys.envelope(layer, "", undefined, { act, digest });
      await begin(copy.text, "monoclaw-config apply");
      await until(
        "it has come that far",
        10,
        async () =>
          (await stack.tryRoot("pgrep -f receiver.sh")).exitCode === 0 ||
          (await stack.ssh("cat deaf.out")).stdout !== "",
      );
      const next = await keys.apply(keys.envelope(layer, "note second\n").text);
      assert.equal(next.exitCode, 0, next.all);
      await until("the deaf run ends", 10, async () => /^\d+\n?$/.test((await stack.ssh("cat deaf.out")).stdout));
    } finally {
      await end(stack);
    }
  },
);

attack(
  "keeps a roll-back from happening",
  "primary user",
  ["confirm of nothing", "await of nothing"],
  async (stack, way) => {
    const keys = await Keys.of(stack);
    const begin = await prepare(stack);
    const layer = `attack-${way.split(" ")[0] ?? ""}`;
    const script = `put 644 root:root /etc/${layer} <<<new\ncommit\nconfirm_within 3\n`;
    try {
      assert.equal((await keys.apply(keys.envelope(layer, script).text)).exitCode, 0);
      const act = way.startsWith("confirm") ? "confirm" : "await";
      const copy = keys.envelope(layer, "", undefined, { act, digest: "0".repeat(64) });
      await begin(copy.text, "monoclaw-config apply");
      await until(
        "the change is put back",
        10,
        async () => (await stack.tryRoot(`test -e /etc/${layer}`)).exitCode !== 0,
      );
    } finally {
      await end(stack);
    }
  },
);

/** A change that waits for two seconds to be confirmed; a file in /run has a line for each time that it was applied. */
const brief = (layer: string) =>
  `echo ran >>/run/${layer}; put 644 root:root /etc/${layer} <<<new\ncommit\nconfirm_within 2\n`;

attack(
  "keeps a change that nobody confirms, by handing it in again",
  "primary user",
  ["again and again", "whenever it was put back"],
  async (stack, way) => {
    const keys = await Keys.of(stack);
    const layer = `attack-${way.slice(0, 5)}`;
    const exists = async () => (await stack.tryRoot(`test -e /etc/${layer}`)).exitCode === 0;
    const copy = keys.envelope(layer, brief(layer));
    assert.equal((await keys.apply(copy.text)).exitCode, 0);
    await stack.ssh("cat >copy.in", { input: copy.text });
    await until("the host takes it no more", 60, async () => {
      if (way !== "again and again") await until("it is put back", 10, async () => !(await exists()));
      return (await stack.ssh("sudo -n monoclaw-config apply <copy.in")).all.includes("was put back 4 times");
    });
    assert.equal(await exists(), false);
    assert.equal(await stack.root(`grep -c ran /run/${layer}`), "4\n");
    // The stack's own way in stays: a confirmation applies it again, and the next one keeps it.
    assert.equal((await keys.ask("confirm", layer, copy.digest)).exitCode, 93);
    assert.equal((await keys.ask("confirm", layer, copy.digest)).exitCode, 0);
    assert.equal(await exists(), true);
  },
);

attack(
  "takes a change back that waits to be confirmed",
  "primary user",
  ["by handing in what was in force before"],
  async (stack) => {
    const keys = await Keys.of(stack);
    const script = (text: string) => `put 644 root:root /etc/attack-before <<<${text}\ncommit\n`;
    const before = keys.envelope("attack-before", script("old"));
    assert.equal((await keys.apply(before.text)).exitCode, 0);
    const next = keys.envelope("attack-before", `${script("new")}confirm_within 60\n`);
    assert.equal((await keys.apply(next.text)).exitCode, 0);
    await stack.ssh("cat >copy.in", { input: before.text });
    const handed = await stack.ssh("sudo -n monoclaw-config apply <copy.in");
    assert.deepEqual([handed.exitCode, await stack.root("cat /etc/attack-before")], [90, "new\n"]);
    assert.equal((await keys.ask("confirm", "attack-before", next.digest)).exitCode, 0);
  },
);

attack("keeps an audit from being made", "primary user", ["by not reading the answer"], async (stack) => {
  const begin = await prepare(stack);
  try {
    await begin("", "monoclaw-security");
    await until(
      "it audits",
      10,
      async () => (await stack.tryRoot("flock -n /run/monoclaw/lock.monoclaw-security true")).exitCode !== 0,
    );
    const audit = await stack.tryRoot("timeout 40 monoclaw-security --json");
    assert.match(audit.stdout, /"rows"/, `${String(audit.exitCode)} ${audit.stderr}`);
  } finally {
    await end(stack);
  }
});

attack(
  "hands in what is in force again and again, so that nothing new gets its turn",
  "primary user",
  ["eight at once"],
  async (stack) => {
    const keys = await Keys.of(stack);
    const current = keys.envelope("attack-flood", "sleep 0.3\nnote first\n");
    assert.equal((await keys.apply(current.text)).exitCode, 0);
    await stack.ssh("cat >flood.in", { input: current.text });
    await stack.ssh(`for n in 1 2 3 4 5 6 7 8; do
      setsid bash -c 'while [ ! -e flood.end ]; do sudo -n monoclaw-config apply <flood.in; done' >flood.out.$n 2>&1 </dev/null &
    done`);
    try {
      await until("it floods", 10, async () => (await stack.ssh("grep -l refused flood.out.*")).exitCode === 0);
      for (const text of ["note second\n", "note third\n", "note fourth\n"]) {
        const next = await keys.apply(keys.envelope("attack-flood", text).text);
        assert.equal(next.exitCode, 0, next.all);
      }
    } finally {
      await stack.ssh("touch flood.end");
      await end(stack);
    }
  },
);
