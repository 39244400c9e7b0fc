import { existsSync } from "node:fs";
import { join } from "node:path";
import execa from "execa";
import { ensureLab, exec, ls } from "../../lab/client";
import { cloud, until } from "./attacker";
import { instance } from "./stack";

/** A server as a provider hands it out, made past the program: sshd on port 22, root's key, nothing hardened. */
export class PlainServer {
  private constructor(readonly name: string) {}

  /**
   * Rents it and waits for the end of its first boot.
   *
   * @param name - of the server and of its key
   * @param folder - where the key pair that opens root is made
   */
  static async make(name: string, folder: string, image: string, userData = ""): Promise<PlainServer> {
    await ensureLab({ instance, progress: () => undefined });
    const server = new PlainServer(name);
    await server.destroy();
    const key = join(folder, "root_ed25519");
    if (!existsSync(key)) {
      await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "root", "-f", key]);
    }
    const { stdout: publicKey } = await execa("cat", [`${key}.pub`]);
    const { ssh_key } = await cloud<{ ssh_key: { id: number } }>("POST", "ssh_keys", { name, public_key: publicKey });
    await cloud("POST", "servers", {
      ...{ name, image, server_type: "cx23", location: "nbg1", ssh_keys: [ssh_key.id], user_data: userData },
    });
    // Its image may have to be built first.
    await until(`${name} is up`, 400, async () =>
      (await ls(instance)).some((host) => host.name === name && host.pid !== undefined),
    );
    const { stdout } = await exec(instance, name, ["cloud-init", "status", "--wait"]);
    if (!stdout.includes("status: done")) {
      throw new Error(`${name}: ${stdout}`);
    }
    return server;
  }

  /** Its host key: type and key, as its provider's console shows it. */
  async hostKey(): Promise<string> {
    const { stdout } = await exec(instance, this.name, ["cut", "-d ", "-f1,2", "/etc/ssh/ssh_host_ed25519_key.pub"]);
    return stdout.trim();
  }

  /** IPv4 address. */
  async address(): Promise<string> {
    return (await ls(instance)).find((host) => host.name === this.name)?.ipv4 ?? "";
  }

  /** Gives it back, with its key; nothing if there is none. */
  async destroy(): Promise<void> {
    const { servers } = await cloud<{ servers: { id: number }[] }>("GET", `servers?name=${this.name}`);
    for (const { id } of servers) {
      await cloud("DELETE", `servers/${String(id)}`);
      await until("the server is gone", 60, async () => !(await ls(instance)).some((host) => host.name === this.name));
    }
    const { ssh_keys } = await cloud<{ ssh_keys: { id: number }[] }>("GET", `ssh_keys?name=${this.name}`);
    for (const { id } of ssh_keys) {
      await cloud("DELETE", `ssh_keys/${String(id)}`);
    }
  }
}
