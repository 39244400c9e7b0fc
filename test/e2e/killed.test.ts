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

/** The part of a state's file that matters here. */
interface Checkpoint {
  readonly checkpoint: {
    readonly latest: {
      readonly resources: readonly { readonly urn: string; readonly outputs?: { readonly serial?: number } }[];
    };
  };
}

/** When the engine and all that it started is killed. */
const moments: Readonly<Record<string, (stack: TestStack, before: string) => Promise<boolean>>> = {
  "before anything is signed": (stack) => Promise.resolve(stack.isLocked()),
  "once it is in the state, and on its way": (stack, before) => {
    // As it lies on the disk: the engine would be asked for longer than that lasts.
    const { checkpoint } = JSON.parse(stack.plainState()) as Checkpoint;
    const layer = checkpoint.latest.resources.find(({ urn }) => urn.endsWith(":Layer::gateway-fail2ban"));
    return Promise.resolve(Number(layer?.outputs?.serial) > Number(before.trim().split(" ")[1]));
  },
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

hostTest(
  "`up` is killed while a new token goes to the host, encrypted: the next plain one sends what is missing",
  async (stack) => {
    const read = "cat /var/lib/monoclaw/applied/gateway-token";
    const { gateway: rotate = "" } = (await stack.outputs())["rotateToken"] as Readonly<Record<string, string>>;
    const urn = /--replace '(.*)'$/.exec(rotate)?.[1] ?? assert.fail(rotate);
    const [before, old] = [await stack.root(read), await stack.token()];
    const kill = stack.start("up", "--yes", "--non-interactive", "--skip-preview", "--replace", urn);
    const end = Date.now() + 60_000;
    while ((await stack.root(read)) === before) {
      assert.ok(Date.now() < end, "the host never had it");
    }
    await kill();
    await stack.cancel();
    await stack.up();
    const token = await stack.token();
    assert.notEqual(token, old);
    assert.equal(await stack.root("cat /etc/monoclaw/auth-token"), `${token}\n`);
    const asked = "source /usr/local/vps-scripts/gateway.sh; token_status $(</etc/monoclaw/auth-token)";
    assert.match(await stack.root(asked), /^(200|404)$/);
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
  },
);
