import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PluginProcess } from "../support/plugin";

let plugin: PluginProcess;
before(async () => {
  plugin = await PluginProcess.start("command", "command:local:Command");
});
after(async () => {
  await plugin.stop();
});

void test("a local command runs with its environment and input, and says how it failed", async () => {
  const { outputs } = await plugin.create({ create: 'echo "$WHO $(cat)"', stdin: "in", environment: { WHO: "me" } });
  assert.equal(outputs["stdout"], "me in");
  await assert.rejects(plugin.delete("id", { delete: "echo no >&2; exit 3" }), /exit status 3: running .*\n?.*no/);
});

void test("what has no command does nothing; a trigger replaces, another environment doesn't", async () => {
  const olds = (await plugin.create({ delete: "exit 1", triggers: ["1"] })).outputs;
  assert.deepEqual([olds["stdout"], olds["stderr"]], ["", ""]);
  await plugin.update("id", olds, { delete: "exit 1", triggers: ["1"], environment: { A: "b" } });
  const inputs = { delete: "exit 1", triggers: ["1"] };
  assert.deepEqual((await plugin.diff(olds, inputs, { ...inputs, triggers: ["2"] })).replaces.length > 0, true);
  assert.deepEqual((await plugin.diff(olds, inputs, { ...inputs, environment: { A: "b" } })).replaces, []);
});
