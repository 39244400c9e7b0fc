import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, beforeEach, describe, it } from "node:test";
import { isSecret, reveal, secret, UNKNOWN, type ValueMap } from "../../../toolchain/standins/rpc/values";
import { PluginProcess } from "../support/plugin";
import { SshServer, makeKey } from "../support/sshServer";

const TYPE = "command:remote:Command";

let plugin: PluginProcess;
let ssh: SshServer;

before(async () => {
  [plugin, ssh] = await Promise.all([PluginProcess.start("command", TYPE), SshServer.start()]);
});

after(async () => {
  await plugin.stop();
  await ssh.stop();
});

beforeEach(() => {
  ssh.requests.length = 0;
  ssh.accepted = [];
  ssh.answer = (_request, channel) => {
    channel.exit(0);
    channel.end();
  };
});

/** Checked inputs of a command on the test's server. */
async function inputs(more: ValueMap, connection: ValueMap = {}): Promise<ValueMap> {
  const checked = await plugin.check({ connection: { ...ssh.connection(), ...connection }, ...more });
  assert.deepEqual(checked.failures, {});
  return checked.inputs;
}

async function failing(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  return (error as { details: string }).details;
}

/** Polls a condition that must come true within two seconds. */
async function until(condition: () => boolean): Promise<void> {
  for (let poll = 0; poll < 100 && !condition(); poll++) await sleep(20);
  assert.ok(condition(), "it did not happen in time");
}

void describe("check", () => {
  void it("fills in the official defaults and makes the whole connection secret", async () => {
    const { connection } = await inputs({ create: "true" });
    assert.ok(isSecret(connection), "the connection is secret");
    const { dialErrorLimit, perDialTimeout, user } = reveal(connection) as ValueMap;
    assert.deepEqual([dialErrorLimit, perDialTimeout, user], [0, 15, "tester"]);
    const bare = await plugin.check({ connection: { host: "127.0.0.1" } });
    const { port, dialErrorLimit: limit, user: name } = reveal(bare.inputs["connection"] ?? null) as ValueMap;
    assert.deepEqual([port, limit, name], [22, 10, "root"]);
  });

  void it("reports every mistake at once, and repeats no value", async () => {
    const wrong = { host: 7, port: "x", passwort: "hunter2", proxy: { host: "p" } };
    const { failures } = await plugin.check({ connection: wrong, logging: "all", triggers: "now", shell: "sh" });
    const places = ["connection.host", "connection.passwort", "connection.port", "connection.proxy"];
    assert.deepEqual(Object.keys(failures).sort(), [...places, "logging", "shell", "triggers"]);
    assert.match(failures["connection.proxy"] ?? "", /not covered by this stand-in/);
    assert.doesNotMatch(JSON.stringify(failures), /hunter2/);
  });

  void it("needs a connection", async () => {
    assert.deepEqual((await plugin.check({ create: "true" })).failures, { connection: "missing: it is required" });
  });
});

void describe("create", () => {
  void it("runs the command, sends stdin to its end, and gives stdout and stderr without their last newline", async () => {
    ssh.answer = (_request, channel) => {
      channel.stderr.write("careful\n");
      channel.write("one\ntwo\n\n");
      channel.exit(0);
      channel.end();
    };
    const { id, outputs } = await plugin.create(await inputs({ create: "do it", stdin: "hello\n" }));
    assert.match(id, /^thing[0-9a-f]{8}$/);
    assert.deepEqual([outputs["stdout"], outputs["stderr"]], ["one\ntwo\n", "careful"]);
    const [request] = ssh.requests;
    assert.deepEqual([request?.command, request?.stdin.toString(), request?.user], ["do it", "hello\n", "tester"]);
  });

  void it("carries 1 MiB of stdin and of stdout", async () => {
    const big = "0123456789abcdef".repeat(65_536);
    ssh.answer = ({ stdin }, channel) => {
      channel.write(stdin, () => {
        channel.exit(0);
        channel.end();
      });
    };
    const { outputs } = await plugin.create(await inputs({ create: "cat", stdin: secret(big), logging: "none" }));
    assert.equal(outputs["stdout"], big);
  });

  void it("does nothing without a command", async () => {
    const { outputs } = await plugin.create(await inputs({ update: "later" }));
    assert.deepEqual([outputs["stdout"], outputs["stderr"], ssh.requests.length], ["", "", 0]);
  });

  void it("keeps secret inputs secret in the outputs, and nothing else", async () => {
    const { outputs } = await plugin.create(await inputs({ create: "x", stdin: secret("s3cret") }));
    assert.ok(isSecret(outputs["stdin"]) && isSecret(outputs["connection"]));
    assert.ok(!isSecret(outputs["create"]) && !isSecret(outputs["stdout"]));
  });

  void it("connects to nothing in a preview, and knows that it can't know", async () => {
    const before = ssh.connections;
    const { outputs } = await plugin.create(await inputs({ create: "x", stdin: UNKNOWN }), true);
    assert.deepEqual([outputs["stdout"], outputs["stdin"], outputs["create"]], [UNKNOWN, UNKNOWN, "x"]);
    assert.equal(ssh.connections, before);
  });

  void it("leaves no connection open", async () => {
    await plugin.create(await inputs({ create: "x" }));
    await until(() => ssh.open === 0);
  });
});

void describe("logging", () => {
  for (const [logging, expected] of [
    [undefined, ["out", "err"]],
    ["stdoutAndStderr", ["out", "err"]],
    ["stdout", ["out"]],
    ["stderr", ["err"]],
    ["none", []],
  ] as const) {
    void it(`${logging ?? "default"}: shows ${expected.join(" and ") || "nothing"}`, async () => {
      ssh.answer = (_request, channel) => {
        channel.write("out\n", () => {
          channel.stderr.write("err", () => {
            channel.exit(0);
            channel.end();
          });
        });
      };
      const seen = plugin.lines.length;
      await plugin.create(await inputs({ create: "x", ...(logging !== undefined && { logging }) }));
      const shown = plugin.lines.slice(seen).map(({ message }) => message);
      assert.deepEqual(shown.sort(), [...expected].sort());
      assert.ok(plugin.lines.slice(seen).every(({ ephemeral }) => ephemeral));
    });
  }
});

void describe("a command that fails", () => {
  void it("shows its status, the command and all its output, like the official plugin", async () => {
    ssh.answer = (_request, channel) => {
      channel.write("half\n", () => {
        channel.stderr.write("broken\n", () => {
          channel.exit(3);
          channel.end();
        });
      });
    };
    const message = await failing(plugin.create(await inputs({ create: 'say "hi"' })));
    assert.equal(message, 'Process exited with status 3: running "say \\"hi\\"":\nhalf\nbroken\n');
  });

  void it("shows the signal that ended it", async () => {
    ssh.answer = (_request, channel) => {
      channel.exit("KILL", false, "");
      channel.end();
    };
    const message = await failing(plugin.create(await inputs({ create: "x" })));
    assert.equal(message, 'Process exited with status 137 from signal KILL: running "x":\n');
  });

  void it("says so when the connection breaks off", async () => {
    ssh.answer = (_request, channel) => {
      channel.close();
    };
    const message = await failing(plugin.create(await inputs({ create: "x" })));
    assert.match(message, /^wait: remote command exited without exit status or exit signal: running "x"/);
  });
});

void describe("update and delete", () => {
  void it("runs update, or create if there is none", async () => {
    const olds = (await plugin.create(await inputs({ create: "first" }))).outputs;
    await plugin.update("id", olds, await inputs({ create: "first", update: "again" }));
    await plugin.update("id", olds, await inputs({ create: "second" }));
    assert.deepEqual(
      ssh.requests.map(({ command }) => command),
      ["first", "again", "second"],
    );
  });

  void it("keeps the output of before if there is nothing to run", async () => {
    const olds = { ...(await inputs({ delete: "bye" })), stdout: "kept", stderr: "" };
    const outputs = await plugin.update("id", olds, await inputs({ delete: "goodbye" }));
    assert.deepEqual([outputs["stdout"], outputs["delete"], ssh.requests.length], ["kept", "goodbye", 0]);
  });

  void it("runs delete with the connection in the state, or nothing", async () => {
    await plugin.delete("id", { ...(await inputs({ create: "x", delete: "bye" })), stdout: "", stderr: "" });
    await plugin.delete("id", { ...(await inputs({ create: "x" })), stdout: "", stderr: "" });
    assert.deepEqual(
      ssh.requests.map(({ command }) => command),
      ["bye"],
    );
  });

  void it("forgets stdout in a preview only if something changed", async () => {
    const olds: ValueMap = { ...(await inputs({ create: "x" })), stdout: "old", stderr: "" };
    const changed = await plugin.update("id", olds, await inputs({ create: "y" }), true);
    const unchanged = await plugin.update("id", olds, await inputs({ create: "x" }), true);
    assert.deepEqual([changed["stdout"], unchanged["stdout"]], [UNKNOWN, "old"]);
  });
});

void describe("diff", () => {
  const compare = async (older: ValueMap, newer: ValueMap, connection: ValueMap = {}) => {
    const olds = await inputs(older);
    return plugin.diff({ ...olds, stdout: "", stderr: "" }, olds, await inputs(newer, connection));
  };

  void it("sees no change where there is none", async () => {
    const same = { create: "x", triggers: [1, "two"], environment: { A: "b" } };
    assert.equal((await compare(same, same)).changed, false);
  });

  void it("updates in place for a changed command, stdin, environment or connection", async () => {
    const diff = await compare(
      { create: "x", stdin: "a" },
      { create: "y", stdin: "b", environment: { A: "b" } },
      { user: "u" },
    );
    assert.deepEqual(diff.paths.sort(), ["connection", "create", "environment", "stdin"]);
    assert.deepEqual(diff.replaces, []);
  });

  void it("replaces for changed triggers", async () => {
    const diff = await compare({ create: "x", triggers: ["a", "b"] }, { create: "x", triggers: ["a", "c", "d"] });
    assert.deepEqual(diff.replaces.sort(), ["triggers[1]", "triggers[2]"]);
  });
});

void describe("environment", () => {
  void it("sends variables that the host takes", async () => {
    ssh.accepted = ["COLOUR"];
    await plugin.create(await inputs({ create: "x", environment: { COLOUR: "red" } }));
    assert.deepEqual(ssh.requests[0]?.environment, { COLOUR: "red" });
  });

  void it("fails before the command runs if the host refuses one, and says what AcceptEnv has to do with it", async () => {
    ssh.accepted = ["COLOUR"];
    const environment = { COLOUR: "red", SHAPE: "round" };
    const message = await failing(plugin.create(await inputs({ create: "x", environment })));
    assert.match(message, /could not set environment variable "SHAPE"/);
    assert.match(plugin.messages("error", false).at(-1) ?? "", /Unable to set 'SHAPE'.*AcceptEnv/);
    assert.equal(ssh.requests.length, 0);
  });

  void it("hands over the previous output unless told not to, and only warns if that is refused", async () => {
    const olds: ValueMap = { ...(await inputs({ create: "x" })), stdout: "before", stderr: "" };
    ssh.accepted = ["PULUMI_COMMAND_STDOUT"];
    await plugin.update("id", olds, await inputs({ create: "y" }));
    assert.deepEqual(ssh.requests[0]?.environment, { PULUMI_COMMAND_STDOUT: "before" });
    ssh.accepted = [];
    const seen = plugin.messages("warning", false).length;
    await plugin.update("id", olds, await inputs({ create: "y", addPreviousOutputInEnv: false }));
    assert.equal(plugin.messages("warning", false).length, seen);
    await plugin.update("id", olds, await inputs({ create: "y" }));
    assert.match(plugin.messages("warning", false).at(-1) ?? "", /Unable to set 'PULUMI_COMMAND_STDOUT'/);
    assert.equal(ssh.requests.length, 3);
  });
});

void describe("dialling", () => {
  void it("refuses a host key other than the pinned one, and names both", async () => {
    const message = await failing(plugin.create(await inputs({ create: "x" }, { hostKey: makeKey().public })));
    const words =
      /^after 0 failed attempts: ssh: handshake failed: ssh: host key mismatch: expected SHA256:\S+, the host has SHA256:\S+$/;
    assert.match(message, words);
    assert.equal(ssh.requests.length, 0);
  });

  void it("refuses a host that has no key of the pinned type", async () => {
    const message = await failing(plugin.create(await inputs({ create: "x" }, { hostKey: makeKey("rsa").public })));
    assert.match(message, /ssh: handshake failed: .*no matching host key/);
    assert.equal(ssh.requests.length, 0);
  });

  void it("takes any host key if none is pinned, as the official plugin does", async () => {
    const connection = ssh.connection();
    delete connection["hostKey"];
    await plugin.create((await plugin.check({ connection, create: "x" })).inputs);
    assert.equal(ssh.requests.length, 1);
  });

  void it("names the user when the key is refused, and never shows a key", async () => {
    const other = makeKey().private;
    const message = await failing(plugin.create(await inputs({ create: "x" }, { privateKey: other })));
    assert.match(message, /unable to authenticate as tester, attempted methods \[none publickey\]/);
    assert.doesNotMatch(message, /PRIVATE KEY/);
  });

  void it("opens an encrypted private key, and fails without its password", async () => {
    const encrypted = makeKey("ed25519", "open sesame");
    const locked = await SshServer.start(encrypted);
    try {
      const connection = { ...locked.connection(), privateKeyPassword: "open sesame" };
      await plugin.create((await plugin.check({ connection, create: "x" })).inputs);
      assert.equal(locked.requests.length, 1);
      const { inputs: bare } = await plugin.check({ connection: locked.connection(), create: "x" });
      assert.match(await failing(plugin.create(bare)), /failed to parse private key: ssh: .*passphrase/i);
    } finally {
      await locked.stop();
    }
  });

  void it("says which key is malformed", async () => {
    const host = await failing(plugin.create(await inputs({ create: "x" }, { hostKey: "ssh-ed25519 nonsense" })));
    assert.match(host, /^failed to parse host key: /);
    const user = await failing(plugin.create(await inputs({ create: "x" }, { privateKey: "nonsense" })));
    assert.match(user, /^failed to parse private key: /);
  });

  void it("dials again up to the limit, and says so", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const seen = plugin.messages("info", true).length;
    const message = await failing(plugin.create(await inputs({ create: "x" }, { port, dialErrorLimit: 2 })));
    assert.equal(message, `after 2 failed attempts: dial tcp 127.0.0.1:${String(port)}: connect: connection refused`);
    assert.deepEqual(plugin.messages("info", true).slice(seen), [
      "Dial 1/2 failed: retrying",
      "Dial 2/2 failed: retrying",
    ]);
  });

  void it("fails on a stale agent socket even beside a private key, as the official plugin does", async () => {
    const agentSocketPath = "/nonexistent/agent";
    const message = await failing(plugin.create(await inputs({ create: "x" }, { agentSocketPath })));
    assert.match(message, /^dial unix \/nonexistent\/agent: connect: no such file or directory/);
  });

  void it("refuses a host off this machine, and names the official plugin", async () => {
    const seen = plugin.lines.length;
    const message = await failing(plugin.create(await inputs({ create: "x" }, { host: "192.0.2.77" })));
    assert.match(
      message,
      /^connection\.host is 192\.0\.2\.77, which is not on this machine: .*official command plugin/,
    );
    assert.equal(plugin.lines.length, seen, "it was not even dialled");
  });
});

void it("stops dialling when the update is cancelled", async () => {
  const own = await PluginProcess.start("command", TYPE);
  try {
    const connection = { ...ssh.connection(), hostKey: makeKey().public, dialErrorLimit: -1 };
    const { inputs: endless } = await own.check({ connection, create: "x" });
    const work = failing(own.create(endless));
    await until(() => own.messages("info", true).length >= 2);
    assert.match(own.messages("info", true)[0] ?? "", /^Dial 1\/inf failed/);
    await own.cancel();
    assert.match(await work, /abort|cancel/);
  } finally {
    await own.stop();
  }
});
