import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after } from "node:test";
import { Client, type AuthHandlerMiddleware } from "ssh2";
import { ls } from "../../lab/client";
import { sshKeyPair } from "../../lib/keys";
import { Attacker, until } from "../e2e/attacker";
import { addressOf, banned, prefixOf } from "../e2e/bans";
import { instance, type TestStack } from "../e2e/stack";
import { attacks } from "./attempts";

// Whom fail2ban shuts out is what an attacker would like to choose: the operator, for one.
const attack = attacks({ gateway: false });
/** Never sends a packet. */
const victim = "203.0.113.77";
const { privateKey } = sshKeyPair("a7".repeat(32), "nobody's");

/** On the neighbour's: takes a line `FROM TO PORT`, and passes on what follows from that address of its own. */
const forwarder = `
import socket, threading
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
def serve(client):
    line = b""
    while not line.endswith(b"\\n"):
        line += client.recv(1)
    source, to, port = line.decode().split()
    other = socket.create_connection((to, int(port)), 10, (source, 0))
    other.settimeout(None)
    threading.Thread(target=pump, args=(other, client), daemon=True).start()
    pump(client, other)
server = socket.create_server(("", 7022))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`;

let made: Promise<{ readonly neighbour: Attacker; readonly address: string; readonly prefix: string }> | undefined;
const neighbours = () => (made ??= makeNeighbour());
after(async () => {
  await (await made)?.neighbour.destroy();
});

async function makeNeighbour() {
  const neighbour = await Attacker.make("attack-bans");
  const prefix = await prefixOf(neighbour);
  await neighbour.run("cat >/root/forward.py; systemd-run --quiet python3 /root/forward.py", forwarder);
  const address = await addressOf(neighbour);
  await until("the neighbour passes on", 10, async () => {
    return (await neighbour.run("ss -Hltn 'sport = :7022'")).stdout !== "";
  });
  return { neighbour, address, prefix };
}

let count = 0;
/**
 * Fails to log in by these names, one after the other, from an address that nobody has used yet; gives back the address. It hangs up then,
 * without a word or with the protocol's goodbye, of which sshd writes other lines.
 */
async function knock(stack: TestStack, names: readonly string[], goodbye = false): Promise<string> {
  const { neighbour, address, prefix } = await neighbours();
  const to = (await ls(instance)).find((each) => each.name === stack.labName())?.ipv6 ?? "";
  const from = `${prefix}::b${String(++count)}`;
  await neighbour.run(`ip -6 address add ${from}/128 dev eth0 nodad`);
  const sock = connect({ host: address, port: 7022 });
  await once(sock, "connect");
  sock.write(`${from} ${to} 22022\n`);
  const left = [...names];
  const authHandler: AuthHandlerMiddleware = (_methods, _partial, next) => {
    const username = left.shift();
    if (username === undefined && !goodbye) sock.end();
    // The types know neither this form, which the documentation has, nor that false ends it.
    else next((username === undefined ? false : { type: "publickey", username, key: privateKey }) as never);
  };
  const client = new Client();
  let said = "";
  client.on("error", (error) => (said = error.message));
  const over = new Promise<void>((resolve) =>
    client.once("close", () => {
      resolve();
    }),
  );
  client.connect({ sock, username: names[0] ?? "", authHandler, readyTimeout: 20_000 });
  await over;
  assert.deepEqual(left, [], `sshd didn't hear all names: ${said}`);
  return from;
}

/** One failed login is enough from here on, and nobody is shut out yet. */
async function strict(stack: TestStack): Promise<void> {
  await stack.root("fail2ban-client set sshd maxretry 1; fail2ban-client unban --all");
}

/** Somebody who fails is shut out, and nobody else: what was to ban another has been read before. */
async function bansOnly(stack: TestStack, from: string): Promise<void> {
  await until(`${from} is shut out`, 10, async () => (await banned(stack)).includes(from));
  assert.deepEqual(await banned(stack), [from]);
}

attack(
  "an address in the user name is shut out",
  "neighbour",
  [
    "nobody",
    `a ${victim} on`,
    `a ${victim} port 22`,
    `a from ${victim}`,
    `a from ${victim} port 22`,
    `a from ${victim} port 22 ssh2`,
    `a ${victim} port 22 [preauth]`,
    `a from ${victim} on x port 22 [preauth]`,
    `authenticating user ops ${victim} port 22 [preauth]`,
    `ops ${victim} port 22: Too many authentication failures [preauth]`,
    `a ${victim} port 22: Change of username or service not allowed: x [preauth]`,
    `root from ${victim} not allowed because not listed in AllowUsers`,
    `a\nInvalid user b from ${victim} port 22`,
    `a from ${victim} port 22\n`,
    `a\r${victim} port 22`,
  ],
  async (stack, name) => {
    await strict(stack);
    await bansOnly(stack, await knock(stack, [name]));
  },
);

attack(
  "an address in a second user name is shut out",
  "neighbour",
  [`a ${victim} port 22`, `${victim} port 22: Change of username or service not allowed: x [preauth]`],
  async (stack, name) => {
    await strict(stack);
    await bansOnly(stack, await knock(stack, ["ops", name], true));
  },
);

/** Speaks to the journal in the name of sshd, by all the fields that a process can set. */
const forger = `
import ctypes, socket
ctypes.CDLL(None).prctl(15, b"sshd", 0, 0, 0)
lines = [
    "Invalid user x from ${victim} port 22",
    "Failed password for invalid user x from ${victim} port 22 ssh2",
    "Connection closed by authenticating user ops ${victim} port 22 [preauth]",
    "User root from ${victim} not allowed because not listed in AllowUsers",
]
native = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
native.connect("/run/systemd/journal/socket")
syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
syslog.connect("/run/systemd/journal/dev-log")
for name in ("sshd", "sshd-session"):
    for line in lines:
        fields = ["MESSAGE=" + line, "SYSLOG_IDENTIFIER=" + name, "SYSLOG_PID=1", "PRIORITY=6", "SYSLOG_FACILITY=4",
            "_UID=0", "_COMM=sshd", "_EXE=/usr/sbin/sshd", "_SYSTEMD_UNIT=ssh.service", "UNIT=ssh.service"]
        native.send("\\n".join(fields).encode() + b"\\n")
        syslog.send(("<38>%s[1]: %s" % (name, line)).encode())
print("sent")
`;

/** Sends them, then fails once as somebody else: both have gone the same way, so what is read is read in this order. */
async function forges(stack: TestStack, send: () => Promise<string>): Promise<void> {
  await strict(stack);
  assert.equal(await send(), "sent\n");
  await bansOnly(stack, await knock(stack, ["nobody"]));
}

attack(
  "lines in the name of sshd",
  "gateway",
  ["in a unit of its own", "in a unit that is called like sshd's"],
  async (stack, way) => {
    const name = way.endsWith("sshd's") ? "--unit=ssh.service-x" : "";
    const unit = `systemd-run --quiet --pipe --wait --collect ${name} -p User=openclaw`;
    await forges(stack, () => stack.root(`${unit} python3 - <<<"$(cat)"`, forger));
  },
);

attack("lines in the name of sshd", "primary user", ["in a session"], async (stack) => {
  await forges(stack, async () => `${(await stack.ssh("python3 -", { input: forger })).stdout.trim()}\n`);
});
