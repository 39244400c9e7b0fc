import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { host } from "./hostTest";
import { Keys } from "./keys";
import { clockLibrary } from "./otherClock";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const receiver = "/usr/local/vps-scripts/receiver.sh";

/**
 * Lets the receiver, its layers and its timers live by another clock, which /run/e2e-clock says: a container can't set the
 * real one, as that is the whole machine's. The monotonic clock stays as it is, as it does when a clock is set.
 */
async function withClock(
  stack: TestStack,
  body: (set: (offset: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  await stack.root("base64 -d >/usr/local/lib/e2e-clock.so", readFileSync(await clockLibrary()).toString("base64"));
  await stack.root(`echo +0 >/run/e2e-clock; cp -a ${receiver} /run/e2e-receiver; cat >/run/e2e-wrapper <<'END'
#!/bin/bash
export LD_PRELOAD=/usr/local/lib/e2e-clock.so FAKETIME_TIMESTAMP_FILE=/run/e2e-clock FAKETIME_NO_CACHE=1
export FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1
exec /run/e2e-receiver "$@"
END
chmod 755 /run/e2e-wrapper; mount --bind /run/e2e-wrapper ${receiver}`);
  try {
    await body((offset) => stack.root(`echo ${offset} >/run/e2e-clock`));
  } finally {
    await stack.root(`umount ${receiver}; rm -f /run/e2e-* /usr/local/lib/e2e-clock.so /etc/e2e-clock`);
  }
}

const year = (offset: number) => new Date().getFullYear() + offset;
const layer = () => `# ${randomUUID()}
put 600 root:root /etc/e2e-clock <<<${randomUUID()}
commit
note "year $(date +%Y)"
confirm_within 600
`;

hostTest("a clock that is a decade off changes nothing: layers are verified, applied and confirmed", async (stack) => {
  const keys = await Keys.of(stack);
  await withClock(stack, async (set) => {
    for (const offset of [10, -10]) {
      await set(`${offset > 0 ? "+" : ""}${String(offset)}y`);
      const { text, digest } = keys.envelope("e2e-clock", layer());
      const applied = await keys.apply(text);
      assert.equal(applied.exitCode, 0, applied.all);
      assert.match(applied.stdout, new RegExp(`year ${String(year(offset))}`), "the layer's clock wasn't off");
      const timer = await stack.root(
        "systemctl show monoclaw-revert-e2e-clock.timer -p TimersMonotonic -p TimersCalendar",
      );
      assert.match(timer, /^TimersMonotonic=\{ OnActiveUSec=10min ;/m);
      assert.doesNotMatch(timer, /^TimersCalendar=./m, "a clock that somebody sets");
      const kept = await keys.ask("confirm", "e2e-clock", digest);
      assert.deepEqual([kept.exitCode, kept.stdout], [0, "e2e-clock: confirmed over a new connection"]);
    }
  });
});

hostTest(
  "a step of the clock while a change waits to be confirmed: it still waits, and is confirmed",
  async (stack) => {
    const keys = await Keys.of(stack);
    await withClock(stack, async (set) => {
      for (const step of ["+10y", "-10y"]) {
        await set("+0");
        const { text, digest } = keys.envelope("e2e-clock", layer());
        assert.equal((await keys.apply(text)).exitCode, 0);
        await set(step);
        // The end of any run looks after what waits.
        const other = await keys.apply(keys.envelope("e2e-other", `note ${randomUUID()}\n`).text);
        assert.equal(other.exitCode, 0, other.all);
        assert.equal((await stack.root("ls /var/lib/monoclaw/journal")).trim(), "e2e-clock");
        const kept = await keys.ask("confirm", "e2e-clock", digest);
        assert.deepEqual([kept.exitCode, kept.stdout], [0, "e2e-clock: confirmed over a new connection"]);
      }
    });
  },
);

hostTest("a step of the clock while the gateway starts: the wait goes on, and the gateway is up", async (stack) => {
  const keys = await Keys.of(stack);
  await withClock(stack, async (set) => {
    await set("+0");
    const result = await keys.deploy(
      "apply",
      keys.envelope(
        "e2e-clock",
        `# ${randomUUID()}
systemctl() { command systemctl "$@"; [[ $1 != start ]] || echo +10y >/run/e2e-clock; }
source /usr/local/vps-scripts/gateway.sh
stop_gateway
start_gateway
note "year $(date +%Y)"
`,
      ).text,
    );
    assert.equal(result.exitCode, 0, result.all);
    assert.match(result.stdout, new RegExp(`the gateway is ready after \\d{1,2} s[^]*year ${String(year(10))}`));
  });
});
