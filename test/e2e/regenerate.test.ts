import assert from "node:assert/strict";
import { fingerprint, host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

/** The token where the host keeps it, and what the gateway says to each of the given ones: 401 if it refuses it. */
async function tokens(stack: TestStack): Promise<string[]> {
  const config = JSON.parse(await stack.root("cat /var/lib/openclaw/.openclaw/openclaw.json")) as {
    gateway: { auth: { token: string } };
  };
  return [(await stack.root("cat /etc/monoclaw/auth-token")).trim(), config.gateway.auth.token];
}

/** The gateway's answer to a call with this token: 401 is no. */
async function answer(stack: TestStack, token: string): Promise<string> {
  const call = `curl -sS -o /dev/null -w '%{http_code}' -H @- -H 'Content-Type: application/json' \
    -d '{"tool":"sessions_list","action":"json","args":{}}' http://127.0.0.1:18789/tools/invoke`;
  return stack.root(call, `Authorization: Bearer ${token}\n`);
}

const row = async (stack: TestStack) =>
  (await stack.ssh("sudo -n monoclaw-security --failed")).stdout
    .split("\n")
    .filter((line) => line.includes("token source"));
const line = async (stack: TestStack) =>
  /^[! ] token +(.*)$/m.exec((await stack.ssh("sudo -n monoclaw-status")).stdout)?.[1];

hostTest(
  "Token Regeneration: if the gateway doesn't start with it, the old token is back in both places",
  async (stack) => {
    const before = await fingerprint(stack);
    const token = await stack.token();
    const dropIn = "/run/systemd/system/openclaw.service.d";
    await stack.root(
      `mkdir ${dropIn}; printf '[Service]\\nExecStartPre=false\\n' >${dropIn}/e2e.conf; systemctl daemon-reload`,
    );
    try {
      const result = await stack.ssh("sudo -n monoclaw-config regenerate-token");
      assert.equal(result.exitCode, 91, result.all);
      assert.match(result.stderr, /everything it had changed was put back/);
      assert.deepEqual(await tokens(stack), [token, token]);
      assert.equal((await stack.tryRoot("ls /etc/monoclaw/token-regenerated")).exitCode, 2);
    } finally {
      await stack.root(`rm -r ${dropIn}; systemctl daemon-reload; systemctl reset-failed openclaw; systemctl restart openclaw
      until curl -fsS -o /dev/null http://127.0.0.1:18789/startupz 2>/dev/null; do ((SECONDS < 120)); sleep 0.2; done`);
    }
    assert.equal(await answer(stack, token), "200");
    const withoutPid = (text: string) => text.replace(/^MainPID=.*$/m, "");
    assert.equal(withoutPid(await fingerprint(stack)), withoutPid(before));
  },
);

hostTest(
  "Token Regeneration: on the host; the stack can't bring the revoked token back, and takes over by --replace",
  async (stack) => {
    const revoked = await stack.token();
    const { rotateToken } = (await stack.outputs()) as { rotateToken: Record<string, string> };
    const command = rotateToken["gateway"] ?? "";
    const result = await stack.ssh("sudo -n monoclaw-config regenerate-token");
    assert.equal(result.exitCode, 0, result.all);
    assert.ok(result.stdout.includes(command), "it names the command that takes over");
    const [token = "", copy = ""] = await tokens(stack);
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.deepEqual([copy, token === revoked], [token, false]);
    assert.ok(!result.all.includes(token), "the token is shown on request only");
    assert.deepEqual([await answer(stack, token), await answer(stack, revoked)], ["200", "401"]);

    // What an operator sees: on the host at once, in the stack at the next change of the host.
    const warned = await row(stack);
    assert.deepEqual([warned.length, warned[0]?.startsWith("WARN"), warned[0]?.includes(command)], [1, true, true]);
    assert.ok((await line(stack))?.endsWith(`the stack doesn't know it; take over with: ${command}`));
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0, "a no-op run sends nothing");
    stack.configure({ "monoclaw:fail2ban": { maxretry: 6 } });
    const other = await stack.up();
    assert.match(other, /WARN token source: was regenerated on this host; take it over with: pulumi up --replace/);
    assert.deepEqual(await tokens(stack), [token, token]);

    // The stack's own envelope, unchanged, is refused by the layer; a higher serial changes nothing of that.
    const keys = await Keys.of(stack);
    const replayed = await keys.apply(keys.envelopes.get("gateway-token") ?? "");
    assert.equal(replayed.exitCode, 91);
    assert.ok(
      replayed.stdout.concat(replayed.stderr).includes(`To make a new one for both, run: ${command}`),
      replayed.all,
    );
    stack.configure({ "monoclaw:fail2ban": undefined, "monoclaw:serial": Date.now() });
    const refused = await stack.failingUp();
    assert.match(refused, /the token was regenerated on this host, and the stack still has the revoked one/);
    assert.match(refused, /To make a new one for both, run: pulumi up --replace/);
    assert.deepEqual(await tokens(stack), [token, token]);

    await stack.up("--replace", /--replace '(.*)'$/.exec(command)?.[1] ?? "");
    const taken = await stack.token();
    assert.deepEqual(await tokens(stack), [taken, taken]);
    assert.deepEqual([taken === token, taken === revoked], [false, false]);
    assert.deepEqual(
      [await answer(stack, taken), await answer(stack, token), await answer(stack, revoked)],
      ["200", "401", "401"],
    );
    assert.deepEqual([await row(stack), await line(stack)], [[], "the stack's"]);
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
  },
);
