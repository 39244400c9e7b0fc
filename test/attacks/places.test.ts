import assert from "node:assert/strict";
import { after } from "node:test";
import { ls } from "../../lab/client";
import { Attacker, until } from "../e2e/attacker";
import { prefixOf } from "../e2e/bans";
import { instance, type TestStack } from "../e2e/stack";
import { attacks } from "./attempts";

// sshd has places for so many who have not logged in yet. Who takes them all keeps the operator out.
const attack = attacks({ gateway: false });

/** Takes places and keeps them: connects so often to each address, in turns from each source, and opens again what is closed. */
const holder = `
import itertools, socket, sys, time
count, port, to, *sources = sys.argv[1:]
family = socket.AF_INET6 if ":" in to else socket.AF_INET
source = itertools.cycle(sources or [""])
held = []
tried = 0
while True:
    held = [one for one in held if one.fileno() >= 0]
    while len(held) < int(count):
        one = socket.socket(family, socket.SOCK_STREAM)
        one.settimeout(0.5)
        tried += 1
        try:
            one.bind((next(source), 0))
            one.connect((to, int(port)))
        except OSError:
            one.close()
            break
        one.setblocking(False)
        held.append(one)
    for one in held:
        try:
            if one.recv(4096) == b"":
                one.close()
        except BlockingIOError:
            pass
        except OSError:
            one.close()
    if tried >= int(count) or not held:
        open("/run/attack-holds", "w").write(str(tried))
    time.sleep(0.05)
`;
const start = (args: string, properties = "") =>
  `rm -f /run/attack-holds; touch /run/attack-holds; chmod 666 /run/attack-holds
   cat >/run/attack-holder.py; chmod 644 /run/attack-holder.py
   systemd-run --quiet --collect --unit=attack-holder ${properties} python3 /run/attack-holder.py ${args}`;
const stop = "systemctl stop attack-holder";

let made: Promise<Attacker> | undefined;
const neighbour = () => (made ??= Attacker.make("attack-places"));
after(async () => {
  await (await made)?.destroy();
});

/** The operator gets in each time while somebody is at it. */
async function getsIn(stack: TestStack, run: (script: string) => Promise<{ stdout: string }>): Promise<void> {
  await until("the places are taken", 7, async () => (await run("cat /run/attack-holds")).stdout !== "");
  const logins = [];
  for (let count = 0; count < 6; count++) {
    logins.push((await stack.ssh("true", { args: ["-o", "ConnectTimeout=5"] })).exitCode);
  }
  assert.deepEqual(logins, [0, 0, 0, 0, 0, 0]);
}

attack(
  "takes all places of those who have not logged in",
  "neighbour",
  ["from one address", "from many addresses of one network", "over IPv4 and IPv6"],
  async (stack, way) => {
    const other = await neighbour();
    const run = (script: string, input?: string) => other.run(script, input);
    const host = (await ls(instance)).find(({ name }) => name === stack.labName());
    const prefix = await prefixOf(other);
    assert.ok(host?.ipv4 !== undefined && host.ipv6 !== undefined);
    const sources = way.includes("many")
      ? Array.from({ length: 50 }, (_, index) => `${prefix}::d${String(index)}`)
      : [];
    for (const source of sources) await run(`ip -6 address replace ${source}/128 dev eth0 nodad`);
    const to = way.includes("many") ? host.ipv6 : host.ipv4;
    await run(start(`100 22022 ${to} ${sources.join(" ")}`), holder);
    if (way.includes("IPv6")) {
      await run(`systemd-run --quiet --unit=attack-second python3 /run/attack-holder.py 100 22022 ${host.ipv6}`);
    }
    try {
      await getsIn(stack, run);
    } finally {
      await run(`${stop} attack-second`);
    }
  },
);

attack(
  "takes all places of those who have not logged in",
  "gateway",
  ["by loopback", "by loopback over IPv6", "by the host's own address"],
  async (stack, way) => {
    const to = way.includes("own") ? await stack.address() : way.includes("IPv6") ? "::1" : "127.0.0.1";
    await stack.root(start(`140 22022 ${to}`, "-p User=openclaw"), holder);
    try {
      await getsIn(stack, (script) => stack.tryRoot(script));
    } finally {
      await stack.tryRoot(stop);
    }
  },
);
