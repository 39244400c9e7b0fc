import assert from "node:assert/strict";
import { test } from "node:test";
import { message, sign } from "../../lib/envelope";
import { stepsOn } from "../e2e/hostTest";
import { keptHost } from "../e2e/kinds";
import { Keys } from "../e2e/keys";

void test("a host of the last release is taken over by one `pulumi up`", { timeout: 600_000 }, async (t) => {
  const stack = await keptHost("released");
  const step = stepsOn(t, stack);
  const envelope = async (layer: string) =>
    String((await stack.resources()).find(({ urn }) => urn.endsWith(`::gateway-${layer}-apply`))?.inputs["stdin"]);
  const old = await envelope("kernel");
  const token = await stack.token();

  await step("it is of the first format: what follows is no accident", async () => {
    assert.match(old, /^monoclaw-envelope 1\n/);
    assert.match(await stack.root("cat /usr/local/vps-scripts/receiver.sh"), /monoclaw-envelope 1/);
  });

  const failed = async () => {
    const { rows } = JSON.parse(await stack.root("monoclaw-security --json || :")) as {
      rows: readonly { status: string; row: string }[];
    };
    return rows.filter(({ status }) => status === "FAIL");
  };

  await step("one up, after a preview, and every row of the audit holds", async () => {
    stack.configure({ "monoclaw:generation": 1 }); // as the last release told its users to
    const output = await stack.upAsTyped();
    assert.match(output, /warning: monoclaw:generation means nothing any more/);
    assert.doesNotMatch(output, /replaced|gateway-server/);
    assert.match(await envelope("kernel"), /^monoclaw-envelope 2\n/);
    assert.deepEqual(await failed(), []);
    assert.equal(await stack.token(), token);
  });

  await step("the next one changes nothing, and is quiet once the old key is gone", async () => {
    stack.configure({ "monoclaw:generation": undefined });
    const { exitCode, all } = await stack.pulumi("preview", "--expect-no-changes");
    assert.equal(exitCode, 0, all);
    assert.doesNotMatch(all, /warning/);
  });

  await step("the gateway runs on; its old envelope, and any of the first format, is refused", async () => {
    assert.match(await stack.root("systemctl show openclaw -p MainPID"), /^MainPID=[1-9]/);
    const keys = await Keys.of(stack);
    assert.equal((await keys.deploy("apply", old)).exitCode, 83);
    assert.equal(
      await stack.root(
        "ls /var/lib/monoclaw/envelopes/tailnet /var/lib/monoclaw/envelopes/gateway-token 2>/dev/null || :",
      ),
      "",
    );
  });

  await step("repair works, and a setting is changed and changed back", async () => {
    await stack.root("monoclaw-config repair");
    const limit = async () => (await stack.root("systemctl show openclaw -p TasksMax --value")).trim();
    for (const tasksMax of [150, 100, 150]) {
      stack.configure({ "monoclaw:limits": { tasksMax } });
      await stack.up();
      assert.equal(await limit(), String(tasksMax));
    }
  });

  await step("an answer that was forged in the state is asked for again", async () => {
    const keys = await Keys.of(stack);
    const was = stack.plainState();
    assert.ok(was.includes("monoclaw-answer 1"));
    const forged = was.replace(
      /monoclaw-answer 1\\nrequest [0-9a-f]{64}\\noutcome done\\nlength \d+\\n\\nkernel: /,
      "$&x",
    );
    assert.notEqual(forged, was);
    stack.restoreState(forged);
    const { all } = await stack.pulumi("preview");
    assert.match(all, /gateway-kernel-apply/);
    await stack.up();
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
    const later = await Keys.of(stack);
    const before = keys.envelopes.get("kernel") ?? "";
    assert.notEqual(later.envelopes.get("kernel"), before);
    assert.equal((await later.deploy("apply", before)).exitCode, 89);
    const header = { ...later.own, act: "apply", layer: "kernel", serial: 1, content: "plain" } as const;
    const lost = message(header, "true\n");
    assert.equal((await later.apply(lost + sign(later.seeds.signing, lost))).exitCode, 89);
  });

  await step("replaced, it boots from the user_data of then, and is taken over once more", async () => {
    const before = await Keys.of(stack);
    const server = (await stack.resources()).find(({ type }) => type === "hcloud:index/server:Server");
    const output = await stack.up("--replace", server?.urn ?? "");
    assert.match(output, /gateway-server/);
    assert.match(await stack.root("cat /usr/local/vps-scripts/receiver.sh"), /monoclaw-envelope 2/);
    assert.deepEqual(await failed(), []);
    assert.equal(await stack.root("cat /etc/monoclaw/auth-token"), `${token}\n`);
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
    const after = await Keys.of(stack);
    assert.notEqual(after.own.machine, before.own.machine);
    assert.equal((await after.deploy("apply", before.envelopes.get("kernel") ?? "")).exitCode, 87);
  });

  await step("it leaves its tailnet, and goes", () => stack.destroy());
});
