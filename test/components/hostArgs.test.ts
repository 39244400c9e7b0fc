import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { unknown } from "@pulumi/pulumi/output";
import type { HostInputs } from "../../components/hostInputs";
import { contentOf, prepare as prepareGiven } from "../../components/hostSettings";
import { parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { samples } from "../unit/stackSamples";
import { newStack, recordResources, valueOf } from "./mocks";

// A host in a program of one's own: its arguments are the configuration's keys.

const declared = recordResources();
const { publicKey, privateKey } = sshKeyPair("0f".repeat(32), "me@laptop");
const authorizedKeys = [publicKey];
after(() => pulumi.runtime.disconnect());

function prepare(name: string, keys: HostInputs) {
  return prepareGiven(name, { keys, leastSerial: 1 });
}

function scriptOf(name: string): string {
  return String(declared.find((resource) => resource.name === name)?.inputs["stdin"]);
}

void test("keys are all that a host must be given; the rest has the configuration's defaults", async () => {
  const { content, existing, ...known } = prepare("home", { authorizedKeys });
  const settings = parseConfig({ authorizedKeys }, ".").hosts.get("gateway");
  assert.deepEqual({ ...known, ...(await valueOf(pulumi.output(content))), existing }, settings);
});

void test("complete settings are taken as they are", async () => {
  for (const [sample, raw] of Object.entries(samples)) {
    for (const [name, settings] of parseConfig(raw, ".", { secretKeys: new Set(["existing"]) }).hosts) {
      const { content, existing, ...known } = prepare(name, settings);
      const privateKey = existing?.privateKey && (await valueOf(pulumi.output(existing.privateKey)));
      const machine = existing && { ...existing, privateKey };
      const server = settings.target === "hcloud" ? await valueOf(content.server) : undefined;
      assert.deepEqual(
        { ...known, ...(await valueOf(pulumi.output(content))), server, existing: machine },
        settings,
        `${sample}, ${name}`,
      );
    }
  }
});

void test("what a host holds may be known later", async () => {
  const { Host } = await import("../../components/host");
  const later = <T>(value: T) => pulumi.output(Promise.resolve(value));
  const host = new Host("later", {
    authorizedKeys: later(authorizedKeys),
    limits: { memoryMax: later("3G") },
    fail2ban: later({ maxretry: 4 }),
    openclaw: { registry: later("https://mirror.example/npm") },
    tailnet: { enabled: false },
    ...newStack,
  });
  await valueOf(host.audit);
  assert.match(scriptOf("later-gateway-apply"), /^MemoryMax=3G$/m);
  assert.match(scriptOf("later-gateway-apply"), /^TasksMax=100$/m);
  assert.match(scriptOf("later-fail2ban-apply"), /^maxretry = 4$/m);
  assert.ok(scriptOf("later-users-apply").includes(authorizedKeys[0] ?? "?"));
  assert.match(scriptOf("later-openclaw-apply"), /^registry='https:\/\/mirror\.example\/npm'$/m);
});

void test("what isn't known yet, or is a secret, concerns nothing but its own key", async () => {
  const { content, existing } = prepare("home", {
    target: "existing",
    authorizedKeys,
    limits: { memoryMax: pulumi.output(unknown) as unknown as pulumi.Output<string> },
    existing: { address: "192.0.2.1", trustOnFirstUse: true, privateKey: pulumi.secret(privateKey) },
  });
  const isKnown = Object.entries(content).map(async ([key, output]) => {
    return [key, await (output as unknown as { readonly isKnown: Promise<boolean> }).isKnown] as const;
  });
  assert.deepEqual(Object.fromEntries(await Promise.all(isKnown)), {
    server: true,
    authorizedKeys: true,
    limits: false,
    fail2ban: true,
    updates: true,
    kernel: true,
    openclaw: true,
  });
  assert.equal(await pulumi.isSecret(content.authorizedKeys), false);
  const key = pulumi.output(existing?.privateKey);
  assert.deepEqual([await valueOf(key), await pulumi.isSecret(key)], [privateKey, true]);
});

/** Why an output has no value. */
async function refusalOf(output: unknown): Promise<string> {
  const { promise, isKnown, isSecret } = output as { readonly promise: () => Promise<unknown> } & Record<
    "isKnown" | "isSecret",
    Promise<unknown>
  >;
  const [settled] = await Promise.allSettled([promise(), isKnown, isSecret]);
  return settled.status === "rejected" ? String(settled.reason) : assert.fail("it has one");
}

void test("what is known later is checked then, and no secret may be where previews would show it", async () => {
  const { content, existing } = prepare("home", {
    target: "existing",
    authorizedKeys,
    limits: { memoryMax: pulumi.secret("3G") },
    fail2ban: pulumi.output({ maxretry: 0 }),
    existing: { address: "192.0.2.1", trustOnFirstUse: true, privateKey: pulumi.secret("-----BEGIN nothing") },
  });
  const begin = "Error: the arguments of Host home have mistakes:\n  ";
  assert.ok((await refusalOf(content.limits)).startsWith(`${begin}limits is a secret, but is shown in previews; `));
  assert.ok((await refusalOf(content.fail2ban)).startsWith(`${begin}fail2ban.maxretry = 0: must be an integer from `));
  assert.ok((await refusalOf(existing?.privateKey)).startsWith(`${begin}existing.privateKey = "…": `));
});

void test("mistakes are reported by the arguments' names, all at once, without commands for a stack's file", () => {
  const wrong = {
    sshPort: 22,
    primaryUser: "root",
    tailnet: { enabled: false, sshOnly: true },
    existing: { address: "x" },
  };
  assert.throws(
    () =>
      prepareGiven("Home", {
        keys: { ...wrong, authorizedKeys: ["ssh-dss AAAA"], limits: { tasksMax: 7 } },
        leastSerial: 0,
      }),
    (error) => {
      assert.ok(pulumi.RunError.isInstance(error));
      assert.match(error.message, /^the arguments of Host Home have mistakes:$/m);
      for (const key of [
        "sshPort = 22: is where",
        'primaryUser = "root"',
        "tailnet.sshOnly = true",
        "existing = ",
        'the name = "Home"',
        "leastSerial = 0",
        'authorizedKeys[0] = "ssh-dss AAAA"',
        "limits.tasksMax = 7",
      ]) {
        assert.ok(error.message.includes(`  ${key}`), error.message);
      }
      assert.doesNotMatch(error.message, /pulumi config/);
      return true;
    },
  );
  const server = { type: pulumi.output("cx33") };
  assert.throws(
    () => prepare("home", { target: "existing", authorizedKeys, server, existing: { address: "192.0.2.1" } }),
    /^ {2}server = "…": is for hosts with target hcloud; this one's is existing$/m,
  );
  // What comes as an output is looked at when it is known.
  assert.throws(
    () => contentOf("home", "limits", { tasksMax: 7, memory: "1G" }),
    /limits\.memory = "1G": there is no such key.*\n {2}limits\.tasksMax = 7: must be an integer from 50 to 4096/,
  );
});
