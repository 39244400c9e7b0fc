import assert from "node:assert/strict";
import { stackTest } from "./hostTest";
import { becameKind, newOfKind } from "./kinds";

/** From nothing to a gateway that serves, by one `up`, and nothing to do after it. */
stackTest(
  "a new host: one up from nothing, and every row of its audit holds",
  () => newOfKind("ssh"),
  async (stack) => {
    const output = await stack.upAsTyped();
    assert.match(output, /audit: \d+ pass, \d+ warn, 0 fail/);
    for (const command of ["preview", "up"]) {
      const again = await stack.pulumi(command, "--expect-no-changes", ...(command === "up" ? ["--yes"] : []));
      assert.equal(again.exitCode, 0, again.all);
    }
    assert.equal((await stack.ssh("id -un")).stdout.trim(), "ops");
    await stack.root("curl -fsS -o /dev/null http://127.0.0.1:18789/startupz");
    // What an operator would type; elsewhere the tests read the same from the state.
    assert.deepEqual(await stack.printedOutputs(), await stack.outputs());
    await becameKind("ssh", stack);
  },
);
