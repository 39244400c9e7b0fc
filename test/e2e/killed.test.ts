import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { until } from "./attacker";
import { host } from "./hostTest";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const layers = ["fail2ban", "management", "audit"];
const book = "cat /var/lib/monoclaw/applied/fail2ban";
const bantime = async (stack: TestStack) => (await stack.root("fail2ban-client get sshd bantime")).trim();
/** What the state says that the host has, and what the host has: digest and serial. */
const serialInState = async (stack: TestStack) => {
  const found = (await stack.resources()).find(({ urn }) => urn.endsWith("::gateway-fail2ban-apply"));
  return /^serial (\d+)$/m.exec(String(found?.inputs["stdin"]))?.[1] ?? "";
};

/** When the engine and all that it started is killed. */
const moments: Readonly<Record<string, (stack: TestStack, before: string) => Promise<boolean>>> = {
  "before anything is signed": (stack) => Promise.resolve(stack.isLocked()),
  "while the host applies it": async (stack) =>
    (await stack.tryRoot("test -d /var/lib/monoclaw/journal/fail2ban")).exitCode === 0,
  "when the host has applied it, and the answer is on its way": async (stack, before) =>
    (await stack.root(book)) !== before,
};

hostTest("`up` is killed at each step: the next plain one sends what is missing, and no more", async (stack) => {
  for (const [moment, hasCome] of Object.entries(moments)) {
    const wanted = randomInt(3700, 9000);
    stack.configure({ "monoclaw:fail2ban": { bantime: wanted } });
    const before = await stack.root(book);
    const kill = stack.start("up", "--yes", "--non-interactive", "--skip-preview");
    const end = Date.now() + 60_000;
    // Without a pause: the last of them lasts for a fraction of a second.
    while (!(await hasCome(stack, before))) {
      assert.ok(Date.now() < end, `never came: ${moment}`);
    }
    await kill();
    await until("the host has come to rest", 30, async () => (await stack.root("ls /var/lib/monoclaw/journal")) === "");
    const inState = await serialInState(stack);
    if (moment.startsWith("when")) {
      assert.ok(!(await stack.root(book)).includes(inState), "the state knew already: this test shows nothing");
    }
    await stack.cancel();
    const { exitCode, all } = await stack.pulumi("up", "--yes", "--non-interactive", "--skip-preview");
    assert.equal(exitCode, 0, `${moment}: ${all}`);
    assert.equal(await bantime(stack), String(wanted), moment);
    const sent = [...all.matchAll(/ gateway-(\S+)-apply updated/g)].map(([, layer = ""]) => layer);
    assert.ok(sent.length > 0 && sent.every((layer) => layers.includes(layer)), `${moment}: ${sent.join()}`);
    assert.equal(await serialInState(stack), (await stack.root(book)).trim().split(" ")[1]);
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0, moment);
  }
});
