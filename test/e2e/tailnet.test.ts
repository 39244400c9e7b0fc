import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { daemonLog } from "../../lab/client";
import { until } from "./attacker";
import { stepsOn } from "./hostTest";
import { Laptop } from "./laptop";
import { watchProcesses } from "./processes";
import { ownStack } from "./kinds";
import type { TestStack } from "./stack";
import { currentPolicy, devices, editPolicy, lab, onTailnet, tailscaleApi } from "./tailnetStack";

const foreign = `// Ours for years.
{
  "tagOwners": {"tag:web": ["autogroup:admin"]},
  "grants": [{"src": ["bob@example.com"], "dst": ["tag:web"], "ip": ["tcp:22"]}],
}
`;
const overwriting = onTailnet({ users: ["alice@example.com"], overwriteAcl: true });
const forAlice = onTailnet({ users: ["alice@example.com"] });
const forBob = onTailnet({ users: ["bob@example.com"] });

/** The auth key's value and what names it, from the state. */
async function authKey(stack: TestStack): Promise<{ value: string; id: string }> {
  const key = (await stack.resources()).find(({ type }) => type === "tailscale:index/tailnetKey:TailnetKey");
  return { value: String(key?.outputs["key"]), id: String((key as { id?: string } | undefined)?.id) };
}

void test("a stack on its tailnet", { timeout: 900_000 }, async (t: TestContext) => {
  const stack = await ownStack("tailnet", forAlice);
  const step = stepsOn(t, stack);
  let firstUp = "";
  let seen = "";
  let url = "";
  let laptop: Laptop | undefined;
  const onLaptop = (): Laptop => {
    assert.ok(laptop, "there is no laptop");
    return laptop;
  };
  const opens = async (): Promise<boolean> => /<title>/i.test((await onLaptop().page(url)) ?? "");

  await step("somebody else's policy is refused, with what would change and every way out", async () => {
    await editPolicy(foreign);
    for (const output of [(await stack.pulumi("preview")).all, await stack.failingUp()]) {
      assert.match(output, /The tailnet's policy is not this stack's, and would be lost; nothing was changed/);
      assert.match(output, /^\s+- .*bob@example\.com.*tcp:22/m);
      assert.match(output, /^\s+\+ .*alice@example\.com.*tcp:80/m);
      assert.match(output, /^\s+pulumi import --generate-code=false tailscale:index\/acl:Acl tailnet-acl acl$/m);
      assert.match(output, /^\s+pulumi config set --path 'monoclaw:tailnet\.overwriteAcl' true/m);
    }
    const made = (await stack.resources()).filter(({ type }) => !type.startsWith("pulumi:"));
    assert.deepEqual(made, []);
    assert.equal(await currentPolicy(), foreign);
  });

  await step("imported as the refusal says, the preview shows what is lost; up takes it over", async () => {
    const imported = await stack.pulumi(
      "import",
      "--yes",
      "--generate-code=false",
      "tailscale:index/acl:Acl",
      "tailnet-acl",
      "acl",
    );
    assert.equal(imported.exitCode, 0, imported.all);
    stack.configure(overwriting);
    const { all } = await stack.pulumi("preview", "--diff");
    assert.match(all, /^.*- .*"src": \["bob@example\.com"\].*tcp:22/m);
    assert.match(all, /^.*\+ .*"src": \["alice@example\.com"\].*tcp:80/m);
    const { result, seen: processes } = await watchProcesses(() => stack.upAsTyped());
    [firstUp, seen] = [result, processes];
    stack.configure(forAlice);
    assert.match(await currentPolicy(), /^\/\/ monoclaw stack=tailnet sha256=/);
  });

  await step("right after up, a preview finds no change, refreshed or not", async () => {
    for (const more of [[], ["--refresh"]]) {
      const preview = await stack.pulumi("preview", "--expect-no-changes", ...more);
      assert.equal(preview.exitCode, 0, preview.all);
    }
  });

  await step("a user's device opens the dashboard at dashboardUrl, and reaches nothing else", async () => {
    url = ((await stack.outputs())["dashboardUrl"] as Record<string, string>)["gateway"] ?? "";
    assert.match(url, /^http:\/\/gateway\.test\.tailnet\.test\/$/);
    laptop = await Laptop.make("laptop", "alice");
    await until("the dashboard answers", 30, opens);
    const host = (await devices()).find(({ hostname }) => hostname === "gateway");
    assert.deepEqual(host?.tags, ["tag:monoclaw"]);
    const [four = "", six = ""] = host.addresses;
    for (const address of [four, six]) {
      assert.equal(await onLaptop().reaches(address, 80), true, "the probe doesn't work");
      for (const port of [22, 443, 18789, 22022]) {
        assert.equal(await onLaptop().reaches(address, port), false, `${address} port ${String(port)}`);
      }
    }
  });

  await step("the gateway takes the served address as an origin", async () => {
    const config = JSON.parse(await stack.root("cat /var/lib/openclaw/.openclaw/openclaw.json")) as {
      gateway: { controlUi: { allowedOrigins: string[] } };
    };
    assert.ok(config.gateway.controlUi.allowedOrigins.includes(url.replace(/\/$/, "")));
  });

  await step("the auth key stands in no log, command line, environment, file of the host or plain state", async () => {
    const { value } = await authKey(stack);
    assert.match(value, /^hskey-auth-.{20,}$/);
    const found = await stack.tryRoot(
      `grep -rlaF --exclude-dir=proc --exclude-dir=sys -f - / 2>/dev/null`,
      `${value}\n`,
    );
    assert.equal(found.stdout, "", "files of the host");
    // A file that has it is found: the search is no dud.
    await stack.root("umask 077; cat >/root/planted", value);
    const planted = await stack.tryRoot("grep -rlaF -f - /root", `${value}\n`);
    await stack.root("rm /root/planted");
    assert.equal(planted.stdout.trim(), "/root/planted");
    const places = {
      "the output of up": firstUp,
      "command lines and environments": seen,
      "the state file": stack.plainState(),
      "preview --diff": (await stack.pulumi("preview", "--diff")).all,
      "the journal": await stack.root("journalctl --no-pager -o cat"),
      "the lab's log": readFileSync(daemonLog(lab), "utf8"),
    };
    for (const [place, text] of Object.entries(places)) {
      assert.ok(text.length > 50, `${place} is empty: nothing was searched`);
      assert.ok(!text.includes(value), `the auth key stands in ${place}`);
    }
  });

  await step("a used key that is gone breaks nothing, nor does sending its layer again", async () => {
    const { id } = await authKey(stack);
    await tailscaleApi("DELETE", `tailnet/-/keys/${id}`);
    const command = (await stack.resources()).find(({ urn }) => urn.endsWith("::gateway-tailnet-apply"));
    await stack.up("--refresh", "--replace", command?.urn ?? "");
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
    assert.equal(await opens(), true);
  });

  await step("a change of users is text in the preview, and cuts a live connection off", async () => {
    const talk = await onLaptop().keepTalking(new URL(url).hostname, 80);
    await until("the live connection", 20, async () => (await talk.ticks()) > 5);
    stack.configure(forBob);
    const { all } = await stack.pulumi("preview", "--diff");
    assert.match(all, /^.*- .*"src": \["alice@example\.com"\], "dst": \["tag:monoclaw"\]/m);
    assert.match(all, /^.*\+ .*"src": \["bob@example\.com"\], "dst": \["tag:monoclaw"\]/m);
    const before = await talk.ticks();
    await until("it goes on until then", 10, async () => (await talk.ticks()) > before);
    await stack.up();
    let last = -1;
    await until("it ends", 30, async () => {
      const [then, now] = [last, await talk.ticks()];
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return then === now;
    });
    assert.equal(await opens(), false);
    stack.configure(forAlice);
    await stack.up();
    await until("the dashboard answers again", 30, opens);
  });

  await step("a policy that was edited past the stack is shown and left alone, until told otherwise", async () => {
    const own = await currentPolicy();
    const edited = own
      .replace(
        '"grants": [',
        '"grants": [\n    {"src": ["bob@example.com"], "dst": ["tag:monoclaw"], "ip": ["tcp:443"]},',
      )
      .replace(/"tests": \[[^]*\],\n\}/, '"tests": [],\n}');
    await editPolicy(edited);
    for (const output of [(await stack.pulumi("preview")).all, await stack.failingUp("--refresh")]) {
      assert.match(output, /The tailnet's policy was changed past this stack/);
      assert.match(
        output,
        /^\s+- +\{"src": \["bob@example\.com"\], "dst": \["tag:monoclaw"\], "ip": \["tcp:443"\]\},$/m,
      );
      assert.match(output, /pulumi config set --path 'monoclaw:tailnet\.acl' leave/);
    }
    assert.equal(await currentPolicy(), edited);
    await tailscaleApi("POST", "tailnet/-/acl", { body: "" });
    const reset = await stack.pulumi("preview");
    assert.notEqual(reset.exitCode, 0);
    assert.match(reset.all, /The tailnet's policy was reset past this stack: now everybody may reach everything/);
    stack.configure(overwriting);
    await stack.up("--refresh");
    stack.configure(forAlice);
    assert.equal(await currentPolicy(), own);
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
  });

  await step("destroy leaves no device of the host's, and the policy as it is", async () => {
    const own = await currentPolicy();
    const names = async () => (await devices()).map(({ hostname }) => hostname);
    // Nodes of other tests' people may be there as well.
    const others = (await names()).filter((name) => name !== "gateway");
    assert.ok((await names()).includes("gateway") && others.includes("laptop"));
    await stack.destroy();
    assert.deepEqual(await names(), others);
    assert.equal(await currentPolicy(), own);
    await laptop?.destroy();
  });
});
