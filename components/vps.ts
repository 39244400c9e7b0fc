import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import type { ServerSettings } from "../lib/config";

/** What a server at Hetzner Cloud is made of. */
export interface VpsArgs {
  readonly server: ServerSettings;
  /** TCP ports that the cloud's firewall lets in; nothing else comes in. */
  readonly sshPorts: readonly number[];
  /** Public key that Hetzner attaches: without one it would make up a root password and mail it. */
  readonly deployPublicKey: pulumi.Input<string>;
  /** The cloud-config that makes the server ready for its first contact. Read once, at creation. */
  readonly userData: pulumi.Input<string>;
}

/** A server at Hetzner Cloud behind a firewall that lets in SSH alone, from the first packet on. */
export class Vps extends pulumi.ComponentResource {
  /** The server itself. */
  readonly server: hcloud.Server;
  /** IPv4 address, which outlives the server. */
  readonly address: pulumi.Output<string>;

  constructor(name: string, args: VpsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Vps", name, {}, opts);
    const parent = { parent: this };
    const label = `monoclaw-${pulumi.getStack()}-${name}`;
    const labels = { "managed-by": "monoclaw", stack: pulumi.getStack(), host: name };
    const key = new hcloud.SshKey(`${name}-deploy`, { name: label, publicKey: args.deployPublicKey, labels }, parent);
    const firewall = new hcloud.Firewall(
      `${name}-firewall`,
      {
        name: label,
        labels,
        rules: args.sshPorts.map((port) => ({
          direction: "in",
          protocol: "tcp",
          port: String(port),
          sourceIps: ["0.0.0.0/0", "::/0"],
          description: "SSH",
        })),
      },
      parent,
    );
    const address = new hcloud.PrimaryIp(
      `${name}-ipv4`,
      {
        name: label,
        labels,
        type: "ipv4",
        location: args.server.location,
        assigneeType: "server",
        autoDelete: false,
      },
      parent,
    );
    this.server = new hcloud.Server(
      `${name}-server`,
      {
        name: label,
        labels,
        serverType: args.server.type,
        image: args.server.image,
        location: args.server.location,
        backups: args.server.backups,
        sshKeys: [key.id],
        // On the server itself the firewall is there before the first boot; an attachment would come after it.
        firewallIds: [firewall.id.apply(Number)],
        publicNets: [{ ipv4Enabled: true, ipv4: address.id.apply(Number), ipv6Enabled: true }],
        userData: args.userData,
      },
      {
        parent: this,
        // The address can belong to one server at a time.
        deleteBeforeReplace: true,
        // Both are read at the first boot only, and a change of them would replace the server.
        ignoreChanges: ["userData", "sshKeys"],
        customTimeouts: { create: "15m" },
      },
    );
    this.address = address.ipAddress;
    this.registerOutputs({ address: this.address, serverId: this.server.id });
  }
}
