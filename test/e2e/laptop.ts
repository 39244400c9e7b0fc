import { loginServer } from "../../lab/tailnet/config";
import { tailscaleArchive } from "../../lab/tailnet/downloads";
import type { ExecResult } from "../../lab/client";
import { Attacker, until } from "./attacker";
import { lab, userKey } from "./tailnetStack";

/** A second host on the tailnet, as a user's laptop is: with Tailscale, and no other way to the stack's host than that. */
export class Laptop {
  private constructor(private readonly host: Attacker) {}

  /** Rents it and lets it join as a user's device. */
  static async make(name: string, user: string): Promise<Laptop> {
    const laptop = new Laptop(await Attacker.make(name));
    const { url, sha256 } = tailscaleArchive(lab);
    await until("the laptop's network", 60, async () => {
      const health = await laptop.host.run(`curl -fsS -o /dev/null --max-time 1 ${loginServer(lab)}/health`);
      return health.exitCode === 0;
    });
    await laptop.run(
      `cd /root; curl -fsS -o ts.tgz '${url}'; echo '${sha256} ts.tgz' | sha256sum -c --quiet
      tar -xzf ts.tgz --strip-components=1 -C /usr/local/bin
      systemd-run -q --unit=tailscaled -E TS_NO_LOGS_NO_SUPPORT=true /usr/local/bin/tailscaled`,
    );
    await laptop.run(
      `umask 077; cat >/run/key; tailscale up --login-server=${loginServer(lab)} --auth-key=file:/run/key --timeout=15s`,
      await userKey(user),
    );
    return laptop;
  }

  /** Runs a shell command line, whatever its exit code. */
  async try(script: string, input?: string): Promise<ExecResult> {
    return this.host.run(script, input);
  }

  /** Its IPv4 address outside the tailnet. */
  async address(): Promise<string> {
    return (await this.run("ip -4 -o address show eth0 scope global | sed -E 's|.*inet ([0-9.]+)/.*|\\1|'")).trim();
  }

  /** Hands on what connects to one of its TCP ports to the same port of a device of the tailnet, as its owner would type there. */
  async forward(port: number, address: string): Promise<void> {
    await this.run(
      `cat >/run/forward.py; systemd-run -q --unit=forward --collect python3 -u /run/forward.py ${String(port)} ${address}
      timeout 20 bash -c 'until [[ -n $(ss -Hltn "sport = :${String(port)}") ]]; do sleep 0.1; done'`,
      forwarder,
    );
  }

  /** Runs a shell script that must succeed; what it printed. */
  async run(script: string, input?: string): Promise<string> {
    const result = await this.host.run(`set -euo pipefail; ${script}`, input);
    if (result.exitCode !== 0) {
      throw new Error(
        `on the laptop: ${script}\nexit code ${String(result.exitCode)}\n${result.stdout}${result.stderr}`,
      );
    }
    return result.stdout;
  }

  /** Whether a TCP port takes a connection within two seconds. */
  async reaches(address: string, port: number): Promise<boolean> {
    return (await this.host.run(`timeout 2 bash -c '</dev/tcp/${address}/${String(port)}'`)).exitCode === 0;
  }

  /** The page at an address, or undefined if nothing answers. */
  async page(url: string): Promise<string | undefined> {
    const { exitCode, stdout } = await this.host.run(`curl -fsS --max-time 5 '${url}'`);
    return exitCode === 0 ? stdout : undefined;
  }

  /** Keeps one connection to a web server in use; `ticks` counts its answers. */
  async keepTalking(host: string, port: number): Promise<{ ticks(): Promise<number> }> {
    await this.run(
      `cat >/run/talk.py; : >/run/ticks
      systemd-run -q --unit=talk --collect -p StandardOutput=file:/run/ticks python3 -u /run/talk.py ${host} ${String(port)}`,
      talk,
    );
    return { ticks: async () => (await this.run("cat /run/ticks")).length };
  }

  async destroy(): Promise<void> {
    await this.host.destroy();
  }
}

// One connection for all requests: it never makes a second one.
const talk = `
import http.client, sys, time
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=3)
connection.connect()
connection.auto_open = 0
while True:
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    print(".", end="")
    time.sleep(0.1)
`;

const forwarder = `
import asyncio, sys
port, address = int(sys.argv[1]), sys.argv[2]
async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()
async def serve(reader, writer):
    try:
        far_reader, far_writer = await asyncio.open_connection(address, port)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        far_writer.close()
    except OSError:
        pass
    writer.close()
async def main():
    async with await asyncio.start_server(serve, "0.0.0.0", port) as server:
        await server.serve_forever()
asyncio.run(main())
`;
