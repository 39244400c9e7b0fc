import assert from "node:assert/strict";
import { fingerprint, host } from "./hostTest";
import {
  anotherUid,
  byHand,
  down,
  drifted,
  noStack,
  strangeTailscale,
  tailnet,
  tailnetDown,
  unreadable,
  type Mutation,
  rowsOfContainers,
} from "./auditMutations";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

interface Report {
  readonly pass: number;
  readonly warn: number;
  readonly fail: number;
  readonly rows: readonly { readonly row: string; readonly status: string; readonly detail: string }[];
}

let names: readonly string[] = [];
/** Rows that only a host on a tailnet has; tailscale.test.ts breaks them. */
const tailnetRows = new Set(
  [...tailnet, ...tailnetDown].flatMap(({ rows }) => rows).filter((row) => /tailscale ./.test(row)),
);
const onTailnet = () => names.some((name) => tailnetRows.has(name));
/** What no layer mends here. */
const manual = () => (onTailnet() ? byHand : [...byHand, strangeTailscale]);
/** Warnings of a healthy host of the lab. */
const expectedWarnings = () => [...rowsOfContainers, ...(onTailnet() ? [] : ["tailscale"])].map((row) => `WARN ${row}`);

async function audit(stack: TestStack): Promise<Report> {
  const { stdout, stderr, exitCode } = await stack.tryRoot("monoclaw-security --json");
  assert.ok(stdout.startsWith("{"), `no report (exit code ${String(exitCode)}): ${stdout}${stderr}`);
  const report = JSON.parse(stdout) as Report;
  assert.equal(exitCode, report.fail === 0 ? 0 : 1);
  return report;
}

/** The rows that don't pass, as `STATUS row`, sorted. */
function findings({ rows }: Report): string[] {
  return rows
    .filter(({ status }) => status !== "PASS")
    .map(({ row, status }) => `${status} ${row}`)
    .sort();
}

/** What the rows must say when these things are broken. */
function wanted(mutations: readonly Mutation[]): string[] {
  const broken = mutations.flatMap(({ rows, status = "FAIL" }) => rows.map((row) => `${status} ${row}`));
  const beside = expectedWarnings().filter((line) => !broken.includes(line.replace("WARN", "FAIL")));
  return [...new Set([...broken, ...beside])].sort();
}

async function healthy(stack: TestStack): Promise<void> {
  const report = await audit(stack);
  assert.deepEqual(
    findings(report),
    expectedWarnings(),
    JSON.stringify(report.rows.filter(({ status }) => status !== "PASS")),
  );
}

/** Breaks it all at once; each row that is concerned must say so, and no other may. */
async function caught(
  stack: TestStack,
  mutations: readonly Mutation[],
  before: readonly Mutation[] = [],
): Promise<Report> {
  await stack.root(`set -euo pipefail\nexec >/dev/null\n${mutations.map((mutation) => mutation.break).join("\n")}`);
  const report = await audit(stack);
  const [found, expected] = [findings(report), wanted([...before, ...mutations])];
  assert.deepEqual(
    {
      unnoticed: expected.filter((line) => !found.includes(line)),
      beside: found.filter((line) => !expected.includes(line)),
    },
    { unnoticed: [], beside: [] },
  );
  return report;
}

/** `monoclaw-config repair` puts everything right. */
async function repaired(stack: TestStack, mutations: readonly Mutation[]): Promise<void> {
  const hands = mutations.flatMap((mutation) => mutation.byHand ?? []);
  await stack.root(`set -euo pipefail\n${hands.join("\n")}\nmonoclaw-config repair`);
  await healthy(stack);
}

/** The lines that only one of the two has. */
function difference(before: string, after: string): string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
}

/** The host as the tests must leave it, without what changes by itself; first removes what was set aside. */
async function settled(stack: TestStack): Promise<string> {
  await stack.root(`find /etc -name '*.disabled' -newer /root/e2e-accounts -delete
    rmdir --ignore-fail-on-non-empty /etc/systemd/system/openclaw.service.d 2>/dev/null || [[ ! -e /etc/systemd/system/openclaw.service.d ]]
    cp -a /root/e2e-accounts/. /etc/; rm -f /etc/ssh/e2e_key* /root/.ssh/authorized_keys.disabled`);
  // The image's own drop-in stays as a mutation left it: what it says is beaten, not removed.
  const volatile = /^MainPID=|\/(passwd|shadow|group|gshadow|subuid|subgid)-|\/openclaw-audit$|\/50-cloud-init\.conf$/;
  return (await fingerprint(stack))
    .split("\n")
    .filter((line) => !volatile.test(line))
    .join("\n");
}

const mended: Mutation[] = [];
const noticed: Mutation[] = [];

hostTest("Security Audit: after `up` every row passes, or is a known warning", async (stack) => {
  names = (await audit(stack)).rows.map(({ row }) => row);
  await healthy(stack);
  assert.equal(new Set(names).size, names.length, "a name twice");
  await stack.root("mkdir -p /root/e2e-accounts; cp -a /etc/{passwd,shadow,group,gshadow} /root/e2e-accounts/");
});

hostTest("Security Audit: each row has a mutation, and each mutation names rows that exist", async (stack) => {
  const all = [...drifted, ...down, ...unreadable, ...manual(), anotherUid, noStack];
  const broken = all.concat(onTailnet() ? [...tailnet, ...tailnetDown] : []).flatMap(({ rows }) => rows);
  assert.deepEqual([...new Set(broken)].sort(), [...names].sort());
  for (const { byHand: command, because, break: line } of all) {
    assert.equal(command === undefined, because === undefined, line);
  }
  await healthy(stack);
});

hostTest("Security Audit: what drifts is caught row by row, and repair mends it", async (stack) => {
  const before = await settled(stack);
  await caught(stack, drifted);
  noticed.push(...drifted);
  await stack.root(noStack.break);
  const { rows } = await audit(stack);
  assert.ok(rows.some(({ row, status }) => row === "stack" && status === "FAIL"));
  assert.ok(
    rows.every(({ detail }) => detail !== ""),
    "a row passed without saying by what",
  );
  noticed.push(noStack);
  await repaired(stack, drifted);
  mended.push(...drifted, noStack);
  assert.deepEqual(difference(before, await settled(stack)), []);
});

hostTest(
  "Security Audit: services replaced or taken away, unreadable files, traps: caught, and mended",
  async (stack) => {
    const before = await settled(stack);
    await caught(stack, down);
    noticed.push(...down);
    const started = Date.now();
    const report = await caught(stack, unreadable, down);
    assert.ok(Date.now() - started < 15_000, "a trap held the audit up");
    const password = report.rows.find(({ row }) => row === "ssh passwordauthentication");
    assert.equal(password?.detail, "nothing could be read, must be 'no'");
    noticed.push(...unreadable);
    const both = [...down, ...unreadable];
    await repaired(stack, both);
    mended.push(...both.filter((mutation) => mutation.byHand === undefined));
    assert.deepEqual(difference(before, await settled(stack)), []);
  },
);

hostTest(
  "Security Audit: what no layer mends is caught, too, and is gone by the command that the table names",
  async (stack) => {
    const before = await settled(stack);
    for (const group of [manual(), [anotherUid]]) {
      await caught(stack, group);
      noticed.push(...group);
      await stack.root(`set -euo pipefail\n${group.map((mutation) => mutation.byHand).join("\n")}`);
    }
    await healthy(stack);
    assert.deepEqual(difference(before, await settled(stack)), []);
  },
);

hostTest(
  "Security Audit: a file of the service user's that is a link or huge is a row that fails, at once",
  async (stack) => {
    const json = "/var/lib/openclaw/.openclaw/openclaw.json";
    const as = "setpriv --reuid=openclaw --regid=openclaw --clear-groups";
    const traps = [
      `ln -s /etc/monoclaw/openclaw-settings.json ${json}`,
      `bash -c "umask 077; truncate -s 5M ${json}"`,
      // The running gateway reads it, too, and takes some 5 KB a level: 3 MB of them brought the whole machine to its end.
      `bash -c 'umask 077; head -c 20000 /dev/zero | tr "\\0" "[" >${json}'`,
    ];
    await stack.root(`mv ${json} ${json}.e2e`);
    try {
      for (const trap of traps) {
        await stack.root(`${as} ${trap}`);
        const started = Date.now();
        const failed = findings(await audit(stack));
        await stack.root(`rm ${json}`);
        assert.ok(Date.now() - started < 15_000, `${trap} held the audit up`);
        assert.ok(
          failed.includes("FAIL openclaw.json settings") && failed.includes("FAIL token in openclaw.json"),
          trap,
        );
      }
    } finally {
      await stack.root(`rm -f ${json}; mv ${json}.e2e ${json}`);
    }
    await healthy(stack);
  },
);

hostTest("Security Audit: options, exit codes, and the primary user's limits", async (stack) => {
  const help = await stack.ssh("monoclaw-security --help");
  assert.deepEqual([help.exitCode, help.stdout.startsWith("usage: monoclaw-security")], [0, true]);
  assert.equal((await stack.ssh("monoclaw-security")).exitCode, 77);
  assert.equal((await stack.ssh("sudo -n monoclaw-security --no-such-option")).exitCode, 64);
  const limited = await stack.ssh("ulimit -f 0; ulimit -n 20; sudo -n monoclaw-security --failed");
  assert.equal(limited.exitCode, 0, limited.all);
  const lines = limited.stdout.split("\n");
  assert.match(lines.pop() ?? "", /^\d+ pass, [34] warn, 0 fail$/);
  assert.deepEqual(lines.map((line) => line.replace(/^(\w+) +(.*?) {2,}.*/, "$1 $2")).sort(), expectedWarnings());
});

hostTest("Security Audit: how much of it is proved", async (stack) => {
  const { pass, warn, fail } = await audit(stack);
  const started = Date.now();
  await stack.root("monoclaw-security");
  const seconds = (Date.now() - started) / 1000;
  const sum = pass + warn + fail;
  console.log(
    `monoclaw-security: ${String(sum)} rows in ${seconds.toFixed(1)} s; ${String(noticed.length)} mutations, all caught; ` +
      `${String(mended.length)} mended by repair, ${String(noticed.length - mended.length)} by hand`,
  );
  assert.equal(sum, names.length);
  assert.ok(seconds < 10, `it took ${seconds.toFixed(1)} s`);
  await stack.root("rm -r /root/e2e-accounts");
});
