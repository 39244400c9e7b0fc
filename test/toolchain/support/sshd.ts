import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A real sshd on a loopback port, that lets the current user in with one key. */
export class Sshd {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly port: number,
  ) {}

  readonly user = userInfo().username;

  get hostKey(): string {
    return readFileSync(join(this.folder, "host.pub"), "utf8").trim();
  }

  get privateKey(): string {
    return readFileSync(join(this.folder, "user"), "utf8");
  }

  /** Logins so far. */
  get logins(): number {
    return readFileSync(join(this.folder, "log"), "utf8").split("Accepted publickey").length - 1;
  }

  static async start(): Promise<Sshd> {
    const folder = mkdtempSync(join(tmpdir(), "monoclaw-sshd-"));
    for (const name of ["host", "user"]) {
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(folder, name)]);
    }
    const port = await freePort();
    const settings = [
      `Port ${String(port)}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${folder}/host`,
      `AuthorizedKeysFile ${folder}/user.pub`,
      "PidFile none",
      "StrictModes no",
      "PasswordAuthentication no",
      "LogLevel VERBOSE",
    ];
    writeFileSync(join(folder, "sshd_config"), settings.join("\n") + "\n");
    writeFileSync(join(folder, "log"), "");
    // sshd's privilege separation wants this folder, which its service would make.
    mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const args = ["-D", "-f", join(folder, "sshd_config"), "-E", join(folder, "log")];
    const child = spawn("/usr/sbin/sshd", args, { stdio: "ignore" });
    const sshd = new Sshd(child, folder, port);
    await sshd.ready();
    return sshd;
  }

  async stop(): Promise<void> {
    this.child.kill();
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "exit");
    rmSync(this.folder, { recursive: true });
  }

  private async ready(): Promise<void> {
    for (let poll = 0; poll < 100; poll++) {
      const answered = await new Promise<boolean>((resolve) => {
        const socket = connect(this.port, "127.0.0.1");
        socket
          .once("data", () => {
            socket.destroy();
            resolve(true);
          })
          .once("error", () => {
            resolve(false);
          });
      });
      if (answered) return;
      await sleep(50);
    }
    throw new Error(`sshd does not answer: ${readFileSync(join(this.folder, "log"), "utf8")}`);
  }
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
