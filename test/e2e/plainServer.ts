import { existsSync, readFileSync } from "node:fs";
import execa from "execa";
import { exec, ls } from "../../lab/client";
import { cloud } from "./attacker";
import { instance } from "./stack";

/** A server as a provider hands it out, made past the program: sshd on port 22, root's key, nothing hardened. */
export class PlainServer {
  private constructor(
    readonly name: string,
    private readonly key: string,
  ) {}

  /**
   * The server of this name, rented or not yet.
   *
   * @param key - file of the private key that opens root; made when it is missing
   */
  static of(name: string, key: string): PlainServer {
    return new PlainServer(name, key);
  }

  /** Rents it and waits for the end of its first boot. */
  async rent(image: string, userData = ""): Promise<void> {
    const { name, key } = this;
    if (!existsSync(key)) {
      await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "root", "-f", key]);
    }
    const publicKey = readFileSync(`${key}.pub`, "utf8");
    const { ssh_key } = await cloud<{ ssh_key: { id: number } }>("POST", "ssh_keys", { name, public_key: publicKey });
    const wish = { name, image, server_type: "cx23", location: "nbg1", ssh_keys: [ssh_key.id], user_data: userData };
    // Its image may have to be built first.
    await cloud("POST", "servers", wish, 400);
    const { stdout } = await exec(instance, name, ["cloud-init", "status", "--wait"]);
    if (!stdout.includes("status: done")) {
      throw new Error(`${name}: ${stdout}`);
    }
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
}
