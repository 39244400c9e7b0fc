import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { quote } from "../../lib/shell";
import { fingerprint, host } from "../e2e/hostTest";
import { Keys } from "../e2e/keys";
import type { TestStack } from "../e2e/stack";
import { attacks } from "./attempts";
import { allRows, battery, denied, harmless, payload, place, refused } from "./sudoAttacks";

const hostTest = host("ssh");
const attack = attacks();

/** Ends of the attacks: what each printed and its exit code, by its command line. */
type Ends = ReadonlyMap<string, { readonly code: number; readonly text: string }>;

/** Puts the attacker's things on the host, as the primary user. */
async function arm(stack: TestStack): Promise<void> {
  await stack.root(`rm -rf ${place}`);
  const made = await stack.ssh(`mkdir ${place} && cd ${place} && tar -x && chmod 755 *`, { input: payload() });
  assert.equal(made.exitCode, 0, made.all);
}

/** Somebody who goes on typing what runs a command from within a pager, and leaves it. */
async function* typing(): AsyncGenerator<string> {
  for (;;) {
    yield `!${place}/payload\nq\n`;
    await sleep(100);
  }
}

/** Runs the attacks in one login, with a terminal (on which somebody types what escapes from a pager) or without. */
async function run(stack: TestStack, commands: readonly string[], terminal: boolean): Promise<Ends> {
  await stack.ssh(`cat >${place}/battery`, { input: battery(commands, terminal) });
  const result = await stack.ssh(`bash ${place}/battery`, {
    args: terminal ? ["-tt"] : [],
    input: terminal ? Readable.from(typing()) : "",
  });
  const answers = await stack.ssh(`cat ${place}/ends`);
  const ends = answers.stdout.split("\x1e").slice(1);
  assert.equal(ends.length, commands.length, `the attacks ended early: ${result.all.slice(-2000)}`);
  return new Map(
    commands.map((command, at) => {
      const [code = "", ...text] = (ends[at] ?? "").split("\n");
      return [command, { code: Number(code), text: text.join("\n") }];
    }),
  );
}

/** What ran as root that should not have: the marks that the payload left. */
async function marks(stack: TestStack): Promise<string> {
  return (
    await stack.root(
      `find / /tmp /run /dev/shm -xdev -name 'monoclaw-mark*' -user root -print; rm -f /tmp/monoclaw-mark*`,
    )
  ).trim();
}

async function disarm(stack: TestStack): Promise<void> {
  await stack.root(`rm -rf ${place} /tmp/monoclaw-mark*`);
}

/** A stand-in for Tailscale's command, which says how it was called and by whom. */
async function withTailscale(stack: TestStack, body: () => Promise<void>): Promise<void> {
  const standIn = `#!/bin/bash\n# stand-in for tailscale(1), put here by a test\nprintf 'stand-in %s: %s\\n' "$EUID" "$*"\nprintf '%s\\n' "$*" >>/run/e2e-tailscale-calls\n`;
  const kept = "/usr/bin/.tailscale.e2e";
  await stack.root(
    `set -eC; [[ ! -L /usr/bin/tailscale ]] || mv -T /usr/bin/tailscale ${kept}; cat >/usr/bin/tailscale; chmod 755 /usr/bin/tailscale`,
    standIn,
  );
  try {
    await body();
  } finally {
    await stack.root(
      `rm -f /usr/bin/tailscale /run/e2e-tailscale-calls; [[ ! -L ${kept} ]] || mv -T ${kept} /usr/bin/tailscale`,
    );
  }
}

hostTest("Restricted sudo: sudo -l shows the requirements' rows, as root only, and nothing else", async (stack) => {
  const listed = (await stack.ssh("sudo -n -ll")).stdout;
  const rows = listed.split("\n").filter((line) => line.startsWith("\t"));
  assert.deepEqual(
    rows.map((line) => line.trim().replaceAll("\\", "")),
    allRows.flatMap((row) => (row.startsWith("/bin/") ? [row, `/usr${row}`] : [row])),
  );
  const users = listed.match(/^ *RunAs.*$/gm) ?? [];
  assert.deepEqual([...new Set(users.map((line) => line.trim()))], ["RunAsUsers: root"]);
  assert.equal((await stack.root("id -nG ops")).trim(), "ops");
});

hostTest("Restricted sudo: each row of the requirements does what it is for", async (stack) => {
  const row = async (command: string) => stack.ssh(`sudo -n ${command}`);
  const state = async () =>
    (await stack.root("systemctl show openclaw -p ActiveState -p MainPID --value | paste -sd' '")).trim();
  const pid = async () => {
    const [, active = ""] = /^(\d+) active$/.exec(await state()) ?? [];
    return active;
  };
  const first = await pid();
  assert.match(first, /^\d+$/);
  assert.equal((await row("systemctl restart openclaw")).exitCode, 0);
  const second = await pid();
  assert.notEqual(second, first);
  assert.equal((await row("systemctl stop openclaw")).exitCode, 0);
  assert.equal(await state(), "0 inactive");
  assert.equal((await row("/bin/systemctl start openclaw")).exitCode, 0);
  assert.match(await pid(), /^\d+$/);
  const status = await row("systemctl status openclaw");
  assert.equal(status.exitCode, 0, status.all);
  assert.match(status.stdout, /Active: active \(running\)/);
  for (const name of ["config", "status", "logs", "security", "update", "tailscale"]) {
    const help = await row(`monoclaw-${name} --help`);
    assert.deepEqual([help.exitCode, help.stdout.startsWith(`usage: monoclaw-${name}`)], [0, true], help.all);
  }
  await withTailscale(stack, async () => {
    for (const words of allRows.filter((each) => each.includes("/tailscale "))) {
      const result = await row(words);
      assert.deepEqual([result.exitCode, result.stdout], [0, `stand-in 0: ${words.replace(/^\S+ /, "")}`], words);
    }
  });
  await stack.root(
    "until curl -fsS -o /dev/null http://127.0.0.1:18789/startupz 2>/dev/null; do ((SECONDS < 120)); sleep 0.2; done",
  );
});

interface Outcome {
  readonly ends: Ends;
  readonly marks: string;
  /** How the stand-in for Tailscale's command was called. */
  readonly calls: string;
  /** Whether the host is as it was. */
  readonly same: boolean;
}

/** All that a table has, in one login. */
async function tryAll(stack: TestStack, commands: readonly string[], terminal: boolean): Promise<Outcome> {
  const before = await fingerprint(stack);
  let [ends, found, calls]: [Ends, string, string] = [new Map(), "", ""];
  await withTailscale(stack, async () => {
    await arm(stack);
    ends = await run(stack, commands, terminal);
    found = await marks(stack);
    calls = (await stack.tryRoot("cat /run/e2e-tailscale-calls")).stdout;
    await disarm(stack);
  });
  return { ends, marks: found, calls, same: (await fingerprint(stack)) === before };
}

/** What of a table must not be: each of its kinds is a way, and all are tried in one login. */
function attackBy(
  name: string,
  table: Readonly<Record<string, readonly string[]>>,
  terminal: boolean,
  check: (outcome: Outcome, own: Ends) => void,
): void {
  let tried: Promise<Outcome> | undefined;
  const how = terminal ? "on a terminal" : "without a terminal";
  attack(`becomes root by ${name}, ${how}`, "primary user", Object.keys(table), async (stack, way) => {
    const outcome = await (tried ??= tryAll(stack, Object.values(table).flat(), terminal));
    const own = new Set(table[way]);
    check(outcome, new Map([...outcome.ends].filter(([command]) => own.has(command))));
    assert.equal(outcome.marks, "");
  });
}

/** The ends with another exit code than these. */
const others = (ends: Ends, codes: readonly number[]) => [...ends].filter(([, { code }]) => !codes.includes(code));

const says = /password is required|not allowed|unknown user|not permitted|command not found|usage:/;
// How arguments are read doesn't hang on the terminal: a third of them there.
const third = Object.fromEntries(
  Object.entries(refused).map(([kind, commands]) => [kind, commands.filter((_, at) => at % 3 === 0)]),
);

for (const terminal of [false, true]) {
  attackBy("what no row allows", denied, terminal, ({ calls, same }, own) => {
    assert.deepEqual(others(own, [1]), []);
    if (!terminal)
      assert.deepEqual(
        [...own].filter(([, { text }]) => !says.test(text)),
        [],
      );
    assert.equal(calls, "", "a command was run");
    assert.ok(same);
  });
  attackBy("arguments of the rows' commands", terminal ? third : refused, terminal, ({ same }, own) => {
    assert.deepEqual(others(own, [64]), []);
    assert.ok(same);
  });
  attackBy("how he calls what the rows allow", harmless, terminal, (_, own) => {
    // 1: a line of monoclaw-status or a row of monoclaw-security needs attention; 69: no Tailscale here.
    assert.deepEqual(others(own, [0, 1, 3, 69]), []);
  });
}

hostTest("the attacks' control: with one unsafe row more, the same harness does become root", async (stack) => {
  await arm(stack);
  const file = "/etc/sudoers.d/099-e2e-unsafe";
  await stack.root(
    `printf '%s\\n' 'ops ALL=(root) NOPASSWD: /usr/bin/less /etc/services' 'ops ALL=(root) NOPASSWD: SETENV: /usr/local/bin/monoclaw-status' >${file}; chmod 440 ${file}`,
  );
  try {
    await run(stack, ["sudo -n less /etc/services"], true);
    assert.match(await marks(stack), /monoclaw-mark/, "a pager's escape on a terminal");
    await run(stack, [`sudo -n BASH_ENV=${place}/payload monoclaw-status`], false);
    assert.match(await marks(stack), /monoclaw-mark/, "the caller's environment");
  } finally {
    await stack.root(`rm ${file}`);
  }
  await disarm(stack);
});

const cloudInit = "/etc/sudoers.d/90-cloud-init-users";
/** Applies the users layer of the stack once more. */
const applyUsers = async (stack: TestStack) => {
  const keys = await Keys.of(stack);
  return keys.apply(keys.envelopes.get("users") ?? "");
};

/** Files that would win over ours; each gives the primary user more, or takes something away. */
for (const [what, rules] of [
  ["that makes the primary user root, as cloud-init writes it,", "# User rules for ops\nops ALL=(ALL) NOPASSWD:ALL"],
  ["for the user's group", "%ops ALL=(ALL:ALL) NOPASSWD: ALL"],
  ["that takes a row away", "ops ALL=(root) !/usr/local/bin/monoclaw-logs"],
  ["with the environment", "Defaults!/usr/local/bin/monoclaw-status setenv"],
] as const) {
  hostTest(`a later drop-in ${what} is set aside by the users layer, which says so`, async (stack) => {
    const before = await fingerprint(stack);
    await stack.root(`printf '%s\\n' ${quote(rules)} >${cloudInit}; chmod 440 ${cloudInit}`);
    if (rules.endsWith("ALL")) {
      assert.equal((await stack.ssh("sudo -n id -u")).stdout, "0", "the danger is real");
    }
    const result = await applyUsers(stack);
    await stack.root(`rm -f ${cloudInit} ${cloudInit}.disabled`);
    assert.equal(result.exitCode, 0, result.all);
    assert.ok(result.stdout.includes(`users: set aside ${cloudInit}`), result.all);
    assert.notEqual((await stack.ssh("sudo -n id -u")).exitCode, 0);
    assert.equal(await fingerprint(stack), before);
  });
}

for (const [what, rules, says] of [
  ["gives rights by a list of users", "bob, ops ALL=(ALL) NOPASSWD: ALL", "the requirements': also has (ALL) ALL"],
  ["takes one away", "bob, ops ALL=(root) !/usr/local/bin/monoclaw-logs", "also has !/usr/local/bin/monoclaw-logs"],
  ["keeps the environment", "Defaults!/usr/local/bin/monoclaw-status setenv", "Defaults of sudo that beat those of"],
] as const) {
  hostTest(`/etc/sudoers itself, if it ${what}, fails the users layer, which names what is wrong`, async (stack) => {
    const mine = "/etc/sudoers.d/010_ops-limited";
    // After the drop-ins, where it wins.
    await stack.root(`cp -a /etc/sudoers /root/sudoers.kept; printf '%s\\n' ${quote(rules)} >>/etc/sudoers`);
    try {
      const result = await applyUsers(stack);
      assert.equal(result.exitCode, 91, result.all);
      assert.ok(result.all.includes(says), result.all);
      assert.equal((await stack.tryRoot(`test -e ${mine}`)).exitCode, 0);
    } finally {
      await stack.root("mv /root/sudoers.kept /etc/sudoers");
    }
  });
}
