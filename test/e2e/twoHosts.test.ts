import assert from "node:assert/strict";
import { stackTest } from "./hostTest";
import { ownStack } from "./kinds";

stackTest(
  "two hosts of one stack: each has its own token, keys and address, and takes nothing that is meant for the other",
  () => ownStack("two", { "monoclaw:hosts": { first: {}, second: {} } }),
  async (stack) => {
    await stack.up();
    const { knownHosts, ...outputs } = (await stack.outputs()) as {
      readonly knownHosts: string;
      readonly gatewayTokens: Readonly<Record<string, string>>;
      readonly sshCommand: Readonly<Record<string, string>>;
    };
    assert.equal(new Set(knownHosts.split("\n")).size, 2);
    for (const values of [outputs.gatewayTokens, outputs.sshCommand]) {
      assert.deepEqual(Object.keys(values).sort(), ["first", "second"]);
      assert.notEqual(values["first"], values["second"]);
    }
    const read = async (host: string, script: string) =>
      (await stack.tryRootOf(stack.labName(host), script)).stdout.trim();
    for (const host of ["first", "second"]) {
      assert.equal(await read(host, "cat /etc/monoclaw/auth-token"), outputs.gatewayTokens[host]);
      assert.equal(await read(host, "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/startupz"), "200");
    }
    const envelope = (await stack.resources()).find(({ urn }) => urn.endsWith("::first-ssh-apply"))?.inputs["stdin"];
    assert.match(String(envelope), /^layer ssh$/m);
    const refused = await stack.tryRootOf(stack.labName("second"), "monoclaw-config apply", String(envelope));
    assert.equal(refused.exitCode, 87, refused.stderr);
    const preview = await stack.pulumi("preview", "--expect-no-changes");
    assert.equal(preview.exitCode, 0, preview.all);
    const taken = await stack.tryRootOf(stack.labName("first"), "monoclaw-config apply", String(envelope));
    assert.equal(taken.exitCode, 0, taken.stderr);
  },
);
