import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import execa from "execa";
import WebSocket from "ws";
import { sshKeyPair } from "../../lib/keys";
import { ls } from "../../lab/client";
import { daemonLog } from "../../lab/client";
import { instanceOf } from "../../lab/instances";
import { until } from "./attacker";
import { host } from "./hostTest";
import { gatewayTokenScript } from "../../components/layers/gatewayToken";
import { Keys } from "./keys";
import { watchProcesses } from "./processes";
import { instance, type TestStack } from "./stack";

const hostTest = host("ssh");

/** A port of this machine that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs the body with the gateway at a local port, through an SSH tunnel as the requirements' backup access has it. */
async function tunnelled<T>(stack: TestStack, body: (port: number) => Promise<T>): Promise<T> {
  const port = await freePort();
  const forward = ["-N", "-L", `127.0.0.1:${String(port)}:127.0.0.1:18789`];
  const ssh = execa("ssh", [...forward, ...(await stack.sshArguments())], {
    reject: false,
    env: { SSH_AUTH_SOCK: "" },
  });
  try {
    const answers = () =>
      fetch(`http://127.0.0.1:${String(port)}/startupz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until("the gateway answers through the tunnel", 60, answers);
    return await body(port);
  } finally {
    ssh.kill();
    await ssh;
  }
}

/** Status of a call that needs the token. */
async function http(port: number, token: string | undefined): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${String(port)}/tools/invoke`, {
    method: "POST",
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      "content-type": "application/json",
    },
    body: JSON.stringify({ tool: "sessions_list", action: "json", args: {} }),
  });
  return answer.status;
}

/** Whether the gateway greets a WebSocket client with this token. */
async function greets(port: number, token: string): Promise<boolean> {
  const socket = new WebSocket(`ws://127.0.0.1:${String(port)}`);
  try {
    return await new Promise<boolean>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", () => {
        reject(new Error("the gateway hung up without an answer"));
      });
      socket.on("message", (data: Buffer) => {
        const said = JSON.parse(data.toString()) as { event?: string; type?: string; ok?: boolean };
        if (said.event === "connect.challenge") {
          const client = { id: "cli", version: "1.0.0", platform: "linux", mode: "cli" };
          const params = { minProtocol: 3, maxProtocol: 4, role: "operator", scopes: ["operator.read"], client };
          const more = { caps: [], commands: [], permissions: {}, auth: { token }, locale: "en-US", userAgent: "test" };
          socket.send(JSON.stringify({ type: "req", id: "1", method: "connect", params: { ...params, ...more } }));
        } else if (said.type === "res") {
          resolve(said.ok === true);
        }
      });
    });
  } finally {
    socket.removeAllListeners("close").close();
  }
}

/** The token where the host keeps it. */
async function tokensOnHost(stack: TestStack): Promise<string[]> {
  const config = JSON.parse(await stack.root("cat /var/lib/openclaw/.openclaw/openclaw.json")) as {
    gateway: { auth: { token: string } };
  };
  return [(await stack.root("cat /etc/monoclaw/auth-token")).trim(), config.gateway.auth.token];
}

const wrong = "0".repeat(64);

hostTest(
  "Gateway Token: both places on the host hold the stack's token, and the gateway takes no other",
  async (stack) => {
    const token = await stack.token();
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.deepEqual(await tokensOnHost(stack), [token, token]);
    await tunnelled(stack, async (port) => {
      assert.deepEqual(
        [await http(port, token), await http(port, wrong), await http(port, undefined)],
        [200, 401, 401],
      );
      assert.deepEqual([await greets(port, token), await greets(port, wrong)], [true, false]);
    });
  },
);

hostTest(
  "Token rotation: only the token and its layer change; the old token is refused; no process shows the new one",
  async (stack) => {
    const old = await stack.token();
    const { rotateToken } = (await stack.outputs()) as { rotateToken: Record<string, string> };
    const urn = /--replace '(.*)'$/.exec(rotateToken["gateway"] ?? "")?.[1] ?? "";
    const { result: output, seen } = await watchProcesses(() => stack.upAsTyped("--replace", urn));
    const token = await stack.token();
    assert.notEqual(token, old);
    assert.match(output, /^ {4}~ 2 updated$/m, "the token's layer, and the audit after it");
    assert.match(output, /^ {4}\+-1 replaced$/m);
    assert.ok(seen.includes("pulumi"), "no process was seen");
    assert.ok(!seen.includes(token), "the token stood in a command line or an environment");
    assert.ok(!output.includes(token) && !output.includes(old));
    assert.deepEqual(await tokensOnHost(stack), [token, token]);
    await tunnelled(stack, async (port) => {
      assert.deepEqual([await http(port, token), await http(port, old)], [200, 401]);
    });
    assert.equal((await stack.pulumi("preview", "--expect-no-changes")).exitCode, 0);
  },
);

hostTest("Replay: the envelope of a rotated token is refused as superseded", async (stack) => {
  const keys = await Keys.of(stack);
  const current = keys.envelopes.get("gateway-token") ?? "";
  const later = keys.envelope("gateway-token", gatewayTokenScript({ token: "ab".repeat(32) }));
  assert.equal((await keys.apply(later.text)).exitCode, 0);
  assert.equal((await keys.apply(current)).exitCode, 89);
  // The last resort of a stack whose host has taken another's envelope.
  stack.configure({ "monoclaw:serial": later.serial + 1 });
  await stack.up();
  stack.configure({ "monoclaw:serial": undefined });
  const token = await stack.token();
  assert.deepEqual(await tokensOnHost(stack), [token, token]);
});

hostTest(
  "no secret's value stands in plain state, previews, logs, user_data or a file that others can read",
  async (stack) => {
    const { seeds } = await Keys.of(stack);
    const body = (seed: string) => sshKeyPair(seed, "x").privateKey.split("\n")[3] ?? "";
    const values = {
      token: seeds.token,
      "token in base64": Buffer.from(seeds.token, "hex").toString("base64"),
      signing: seeds.signing,
      "signing in base64": Buffer.from(seeds.signing, "hex").toString("base64"),
      deploy: seeds.deploy,
      "deploy key": body(seeds.deploy),
      bootstrap: seeds.bootstrap,
    };
    const userData = await stack.root("cat /var/lib/cloud/instance/user-data.txt");
    const packed = /"content":"([^"]+)"/.exec(userData)?.[1] ?? "";
    const script = gunzipSync(Buffer.from(packed, "base64")).toString();
    assert.match(script, /allowed_signers/);
    const places = {
      "the state file": stack.plainState(),
      "preview --diff": (await stack.pulumi("preview", "--diff")).all,
      "the journal and /var/log": await stack.root(
        "journalctl --no-pager -o cat; grep -rha '' /var/log --include='*.log'",
      ),
      user_data: userData + script,
      "the lab's log": readFileSync(daemonLog(instanceOf(instance)), "utf8"),
      "what others can read": await stack.root(
        "find / -xdev -type f -perm /004 -size -2M \\( -path '/etc/*' -o -path '/usr/local/*' -o -path '/var/*' -o -path '/home/*' -o -path '/tmp/*' -o -path '/opt/openclaw/current' \\) -exec cat {} +",
      ),
    };
    for (const [place, text] of Object.entries(places)) {
      assert.ok(text.length > 50, `${place} is empty: nothing was searched`);
      for (const [name, value] of Object.entries(values)) {
        assert.ok(value.length > 30, name);
        assert.ok(!text.includes(value), `${name} stands in ${place}`);
      }
    }
    assert.ok((await ls(instance)).length > 0);
  },
);
