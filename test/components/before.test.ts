import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { readBefore } from "../../components/before";

/** What the engine answers, or throws. */
let answer: () => Record<string, unknown>;
const asked: unknown[] = [];
void pulumi.runtime.setMocks(
  {
    newResource: ({ name }) => ({ id: name, state: {} }),
    call: ({ token, inputs }) => {
      asked.push([token, inputs]);
      return answer();
    },
  },
  "monoclaw",
  "dev",
  false,
  "organization",
);

void test("of the stack's own state come a host's commands and what its layers were to get, by name", async () => {
  const urn = (name: string, types = "monoclaw:index:Host$monoclaw:index:Layer$command:remote:Command") =>
    `urn:pulumi:dev::monoclaw::${types}::${name}`;
  const foreign = { type: "command:remote:Command", outputs: { create: "x", stdin: "secret", stdout: "secret" } };
  const sent = { create: "apply", stdin: "envelope", stdout: "answer" };
  answer = () => ({
    outputs: {
      [urn("a-apply")]: { type: "command:remote:Command", outputs: { ...sent, stderr: "x" } },
      [urn("b-leave")]: { type: "command:remote:Command", outputs: { delete: "apply", stdin: "envelope" } },
      [urn("c-apply", "my:home:Server$monoclaw:index:Host$monoclaw:index:Layer$command:remote:Command")]: {
        type: "command:remote:Command",
        outputs: sent,
      },
      [urn("a", "monoclaw:index:Host$monoclaw:index:Layer")]: {
        type: "monoclaw:index:Layer",
        outputs: { digest: "d", serial: 7 },
      },
      // Of the program around it, the last two by the name of a host's own.
      [urn("foreign", "command:remote:Command")]: foreign,
      [urn("a-apply", "my:home:Server$command:remote:Command")]: foreign,
      [urn("b-leave", "other-monoclaw:index:Host$command:remote:Command")]: foreign,
      [urn("key", "random:index/randomBytes:RandomBytes")]: {
        type: "random:index/randomBytes:RandomBytes",
        outputs: { hex: "secret" },
      },
    },
  });
  const { commands, layers } = await readBefore();
  assert.deepEqual(Object.fromEntries(commands), {
    "a-apply": sent,
    "b-leave": { create: "", stdin: "envelope", stdout: "" },
    "c-apply": sent,
  });
  assert.deepEqual(Object.fromEntries(layers), { a: { digest: "d", serial: 7 } });
  assert.deepEqual(asked, [["pulumi:pulumi:readStackResourceOutputs", { stackName: "organization/monoclaw/dev" }]]);
});

for (const [what, said, told] of [
  [
    "in Pulumi's old layout",
    "a stack name may only contain alphanumeric, hyphens, underscores, or periods: invalid character '/' at position 12",
    /^the stack's own state can't be read: the state backend has Pulumi's old layout; run: pulumi state upgrade$/,
  ],
  ["that the engine can't read", "no such stack", /^the stack's own state can't be read: .*no such stack/],
] as const) {
  void test(`a state ${what} is told of in a sentence`, async () => {
    answer = () => {
      throw Object.assign(new Error(said), { details: said }); // as gRPC does
    };
    await assert.rejects(readBefore(), (error: unknown) => {
      assert.ok(pulumi.RunError.isInstance(error));
      assert.match(error.message, told);
      return true;
    });
  });
}
