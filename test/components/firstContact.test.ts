import assert from "node:assert/strict";
import { after, before, mock, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { Before } from "../../components/before";
import type { FirstContact } from "../../components/contact";
import { digest } from "../../lib/envelope";
import { sshKeyPair } from "../../lib/keys";
import { answerText, forgeries, hostKey, nothingBefore, recordResources, refusalOf, valueOf } from "./mocks";

// A new host's first answer brings its own key, by which the stack knows it from then on.

recordResources();
before(() => {
  // What a component tells the engine of itself fails with its output, and no engine is here to hear that.
  const component = pulumi.ComponentResource.prototype as unknown as { registerOutputs(): void };
  mock.method(component, "registerOutputs", () => undefined);
});
after(async () => {
  await pulumi.runtime.disconnect();
  mock.restoreAll();
});

/** The single-use key that the connection is pinned to. */
const pinnedSeed = "0c".repeat(32);
const pinned = sshKeyPair(pinnedSeed, "").publicKey.trim();
/** A key of somebody's who answers in the host's place, to be taken for the host's own. */
const own = sshKeyPair("0b".repeat(32), "").publicKey.trim();

/** A first contact that is answered so; `asked` is what a run before has asked for. */
async function contact(name: string, answer: string, asked?: string): Promise<FirstContact> {
  const { FirstContact: Contact } = await import("../../components/contact");
  forgeries.set(`${name}-key`, answer);
  const before: Before =
    asked === undefined
      ? nothingBefore
      : { ...nothingBefore, commands: new Map([[`${name}-key`, { create: asked, stdin: "", stdout: "" }]]) };
  const at = { host: "192.0.2.7", port: 22022 };
  const keys = {
    privateKey: "",
    hostKey: pinned,
    machineId: "1",
    hostId: "0".repeat(32),
    signingSeed: "0a".repeat(32),
  };
  const target = { ...keys, now: at, next: at, moves: false, user: "ops", leastSerial: 1, before };
  return new Contact(name, { target, at, isOpen: true });
}

const request = digest("first-contact");
const good = answerText(pinnedSeed, request, `${hostKey}\n`);
const forged = answerText("0b".repeat(32), request, `${own}\n`);

void test("the answer that is signed with the single-use key brings the host's own", async () => {
  assert.equal(await valueOf((await contact("good", good)).hostKey), hostKey);
});

const refused: Readonly<Record<string, readonly [answer: string, asked?: string]>> = {
  nothing: [""],
  "an unsigned key": [`${own}\n`],
  "the signed answer without its signature": [good.slice(0, good.indexOf("-----BEGIN"))],
  "another key in the signed answer": [good.replace(hostKey, own)],
  "one that another key signed": [forged],
  "one to another request": [answerText(pinnedSeed, digest("apply"), `${own}\n`)],
  "a line before the signed answer": [`${own}\n${good}`],
  "another answer before the signed one": [forged + good],
  "one that another key signed, to a stack that asked without a signature": [forged, "first-contact"],
};

for (const [what, [answer, asked]] of Object.entries(refused)) {
  void test(`a first answer is refused: ${what}`, async () => {
    assert.match(
      await refusalOf((await contact(`refused ${what}`.replaceAll(/\W/g, "-"), answer, asked)).hostKey),
      /^the answer to the first contact isn't signed with the key that this connection was pinned to: .* Replace the machine: docs\/troubleshooting\.md$/,
    );
  });
}

void test("what is signed, and no key, is refused", async () => {
  const answer = answerText(pinnedSeed, request, "ssh-rsa AAAA\n");
  assert.match(await refusalOf((await contact("no-key", answer)).hostKey), /is not an Ed25519 host key$/);
});

void test("a stack that the release before made asked without a signature, and stays with what it was told", async () => {
  assert.equal(await valueOf((await contact("old", hostKey, "first-contact")).hostKey), hostKey);
});
