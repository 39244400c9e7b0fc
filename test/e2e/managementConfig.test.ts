import assert from "node:assert/strict";
import { readAnswer } from "../../lib/answer";
import { digest, signedPart } from "../../lib/envelope";
import { fingerprint, host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh");

const config = "/var/lib/openclaw/.openclaw";

/** Does something else in openclaw.json's place, as root, for the body. */
async function planted(stack: TestStack, script: string, body: () => Promise<void>): Promise<void> {
  await stack.root(`set -e; mv ${config}/openclaw.json /run/e2e-kept; cd ${config}; ${script}`);
  try {
    await body();
  } finally {
    await stack.root(`set -e; rm -rf ${config}/openclaw.json; mv /run/e2e-kept ${config}/openclaw.json`);
  }
}

hostTest(
  "monoclaw-config show: what the stack expects, and of openclaw.json the values that are the stack's own",
  async (stack) => {
    const token = await stack.token();
    const telegram = {
      botToken: "123456:abc",
      apiKey: "k",
      pwd: "p",
      list: ["sk-live-1"],
      note: "Bearer xyz",
      url: "https://example.org/?access_token=x",
      webhook: { path: "/x" },
    };
    const more = {
      gateway: { bind: "loopback", port: 4711, auth: { mode: "token", token } },
      channels: { telegram: { ...telegram, enabled: true, pin: 1234 } },
      [`x${token}`]: "copy",
      "\u001b]0;owned\u0007\u009b31m": null,
    };
    const write = `cat >openclaw.json <<'JSON'\n${JSON.stringify(more)}\nJSON\nchown openclaw: openclaw.json`;
    await planted(stack, write, async () => {
      const { stdout, exitCode, all } = await stack.ssh("sudo -n monoclaw-config show");
      assert.equal(exitCode, 0, all);
      assert.match(stdout, /^sshPorts=22022$/m);
      const text = "[text]";
      assert.deepEqual(JSON.parse(stdout.slice(stdout.indexOf("\n{"))), {
        gateway: { bind: "loopback", port: "[number]", auth: { mode: "token", token: text } },
        channels: {
          telegram: {
            botToken: text,
            apiKey: text,
            pwd: text,
            list: "[list of 1]",
            note: text,
            url: text,
            webhook: { path: text },
            enabled: true,
            pin: "[number]",
          },
        },
        "[secret]": text,
        "\u001b]0;owned\u0007\u009b31m": null,
      });
      assert.ok(!stdout.includes(token));

      assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/, "nothing that steers a terminal");
    });
  },
);

/** What the service user may put in openclaw.json's place. */
const plants = [
  ["a link to a secret", "ln -s /etc/monoclaw/auth-token openclaw.json"],
  ["a FIFO", "mkfifo openclaw.json; chown openclaw openclaw.json"],
  ["a device", "mknod openclaw.json c 1 5; chown openclaw openclaw.json"],
  ["a huge file", "truncate -s 8G openclaw.json; chown openclaw openclaw.json"],
  ["a file with a second name", "echo '{}' >other; ln other openclaw.json; rm -f kept; mv other kept"],
  ["root's file", "echo '{}' >openclaw.json"],
  ["a folder", "mkdir openclaw.json"],
  ["nothing", ":"],
  ["JSON that nests without end", "printf '[%.0s' {1..500000} >openclaw.json; chown openclaw openclaw.json"],
  [
    "JSON that nests deep",
    `python3 -c 'print("{\\"a\\":" * 1100 + "0" + "}" * 1100)' >openclaw.json; chown openclaw openclaw.json`,
  ],
  ["no JSON", "echo 'token: planted' >openclaw.json; chown openclaw openclaw.json"],
] as const;

/** Runs the body with the gateway stopped: it watches its folder, hangs itself on a FIFO and makes what is missing. */
async function withoutGateway(stack: TestStack, body: () => Promise<void>): Promise<void> {
  await stack.root("systemctl stop openclaw");
  try {
    await body();
  } finally {
    await stack.root(`systemctl start openclaw
      until curl -fsS -o /dev/null http://127.0.0.1:18789/startupz 2>/dev/null; do ((SECONDS < 120)); sleep 0.2; done`);
  }
}

hostTest(
  "monoclaw-config show: what isn't openclaw.json in its place is told of, not shown, at once",
  async (stack) => {
    const token = await stack.token();
    const refused = async (what: string) => {
      const started = Date.now();
      const { exitCode, all } = await stack.ssh("sudo -n monoclaw-config show");
      assert.equal(exitCode, 1, `${what}: ${all}`);
      assert.match(all, /openclaw\.json .*(can't be read|nothing of it is shown)/, what);
      assert.ok(!all.includes(token) && !all.includes("planted"), what);
      assert.ok(Date.now() - started < 10_000, what);
    };
    await withoutGateway(stack, async () => {
      for (const [what, plant] of plants) {
        await planted(stack, plant, async () => refused(what));
      }
      await stack.root(`set -e; rm -f ${config}/kept; mkdir /root/e2e; echo '{"leak": "planted"}' >/root/e2e/openclaw.json
      chown openclaw /root/e2e/openclaw.json; mv ${config} ${config}.kept; ln -s /root/e2e ${config}`);
      try {
        await refused("a link in the folder's place");
      } finally {
        await stack.root(`set -e; rm ${config}; mv -T ${config}.kept ${config}; rm -r /root/e2e`);
      }
    });
  },
);

hostTest("monoclaw-config show-token: to a terminal only", async (stack) => {
  const token = await stack.token();
  const shown = await stack.ssh("sudo -n monoclaw-config show-token", { args: ["-tt"] });
  assert.deepEqual([shown.exitCode, shown.stdout.trim()], [0, token]);
  const [pipe, file] = [" | cat", " >/tmp/e2e-token; cat /tmp/e2e-token; rm /tmp/e2e-token"];
  for (const [elsewhere, args] of [
    ["", []],
    [pipe, []],
    [file, []],
    [pipe, ["-tt"]],
    [file, ["-tt"]],
  ] as const) {
    const refused = await stack.ssh(`sudo -n monoclaw-config show-token${elsewhere}`, { args });
    assert.match(refused.all, /show-token prints to a terminal only/, elsewhere);
    assert.ok(!refused.all.includes(token), elsewhere);
  }
});

hostTest("monoclaw-config: verify, apply and repair work for the operator", async (stack) => {
  const keys = await Keys.of(stack);
  const before = await fingerprint(stack);
  const good = keys.envelopes.get("ssh") ?? "";
  const run = async (words: string, input = "") => {
    const { exitCode, stdout, stderr } = await stack.ssh(`sudo -n monoclaw-config ${words}`, { input });
    return { exitCode, stdout, stderr };
  };
  assert.deepEqual(await run("verify", good), {
    exitCode: 0,
    stdout: `layer ssh, serial ${/^serial (.*)$/m.exec(good)?.[1] ?? ""}: this host would accept it`,
    stderr: "",
  });
  const own = keys.envelope("e2e-operator", "touch /etc/e2e-operator\n");
  assert.equal((await run("verify", own.text)).exitCode, 0);
  assert.deepEqual(await run("verify", good.replace("sshd", "sshD")), {
    exitCode: 86,
    stdout: "",
    stderr: "refused: the envelope was altered, or signed for another purpose",
  });
  const answered = await run("apply", good);
  assert.deepEqual([answered.exitCode, answered.stderr], [0, "ssh: unchanged"]);
  assert.equal(readAnswer(answered.stdout, keys.hostKey, digest(signedPart(good))), "ssh: unchanged\n");
  assert.equal(await fingerprint(stack), before);
  await stack.root(
    "chmod 644 /etc/monoclaw/expected; rm /usr/local/bin/monoclaw-logs; chmod 777 /usr/local/vps-scripts",
  );
  const repaired = await run("repair");
  assert.equal(repaired.exitCode, 0, repaired.stderr);
  assert.match(repaired.stdout, /^management: .*\/usr\/local\/bin\/monoclaw-logs/m);
  // What the audit keeps of OpenClaw's own audit is no part of the configuration.
  const lines = (text: string) => text.split("\n").filter((each) => !each.includes("/openclaw-audit"));
  assert.deepEqual(lines(await fingerprint(stack)), lines(before));
});
