import { setTimeout as sleep } from "node:timers/promises";
import { exec, ls, type ExecResult } from "../../lab/client";
import { caller, callAndWait, Method } from "../lab/cloudApi";
import { instance } from "./stack";

/** One call of the lab's cloud API. It waits for the actions that it starts; throws if one fails, or at the deadline (seconds). */
export function cloud<T>(method: Method, path: string, body?: object, deadline = 60): Promise<T> {
  return callAndWait(caller(instance), method, path, body, deadline * patience);
}

/** What a test waits at most is for an idle machine; one that is busy with other tests gets so many times that. */
const patience = 3;

/** Looks until the probe is true; throws at the deadline (seconds). */
export async function until(what: string, deadline: number, probe: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + deadline * patience * 1000;
  // A look is some processes, so what takes long is looked at less often.
  for (let pause = 50; !(await probe()); pause = Math.min(pause * 1.2, 500)) {
    if (Date.now() > end) {
      throw new Error(`not within ${String(deadline * patience)} s: ${what}`);
    }
    await sleep(pause);
  }
}

/** All TCP ports from 1 to 65535 that answer at the address, an IPv4 or IPv6 one, as seen from where `run` runs a shell command line. */
export async function openPorts(
  run: (script: string, input: string) => Promise<ExecResult>,
  address: string,
): Promise<number[]> {
  const result = await run(`python3 - ${address}`, scanner);
  if (result.exitCode !== 0) {
    throw new Error(`the scan of ${address} failed: ${result.stderr}`);
  }
  return JSON.parse(result.stdout) as number[];
}

/** A strange host on the same network, with no firewall and no right to anything. */
export class Attacker {
  private constructor(private readonly name: string) {}

  static async make(name: string): Promise<Attacker> {
    const old = (await ls(instance)).find((host) => host.name === name);
    if (old !== undefined) {
      await cloud("DELETE", `servers/${String(old.id)}`);
    }
    await cloud("POST", "servers", { name, server_type: "cx23", image: "debian-13", location: "nbg1" });
    const attacker = new Attacker(name);
    const addresses = async () => (await attacker.run("ip -4 -o address show eth0 scope global")).stdout;
    await until(`${name} is up`, 60, async () => (await addresses()) !== "");
    return attacker;
  }

  /** Runs a shell command line on it. */
  async run(script: string, input?: string): Promise<ExecResult> {
    return exec(instance, this.name, ["bash", "-c", script], input === undefined ? {} : { input });
  }

  /** All TCP ports that answer at the address, see {@link openPorts}. */
  async openPorts(address: string): Promise<number[]> {
    return openPorts((script, input) => this.run(script, input), address);
  }

  async destroy(): Promise<void> {
    const host = (await ls(instance)).find((candidate) => candidate.name === this.name);
    await cloud("DELETE", `servers/${String(host?.id)}`);
  }
}

// Non-blocking connects in windows of 16384: what is filtered says nothing, so one wait serves a whole window. It outlasts the
// kernel's first retransmission (1 s), and pauses now and then: of too many at once a tunnel loses some, and an open port would seem closed.
const scanner = `
import errno, json, selectors, socket, sys, time
address = sys.argv[1]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
found = []
for start in range(1, 65536, 16384):
    with selectors.DefaultSelector() as waiting:
        for port in range(start, min(start + 16384, 65536)):
            one = socket.socket(family, socket.SOCK_STREAM)
            one.setblocking(False)
            if one.connect_ex((address, port)) not in (0, errno.EINPROGRESS):
                raise SystemExit(f"cannot try port {port}")
            waiting.register(one, selectors.EVENT_WRITE, port)
            if port % 128 == 0:
                time.sleep(0.01)
        end = time.monotonic() + 1.5
        while (left := end - time.monotonic()) > 0:
            for key, _ in waiting.select(min(left, 0.1)):
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.append(key.data)
                waiting.unregister(key.fileobj)
                key.fileobj.close()
        for key in list(waiting.get_map().values()):
            key.fileobj.close()
print(json.dumps(found))
`;
