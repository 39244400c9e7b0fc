import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import type { ServerSettings } from "../lib/config";
import { type BootstrapArgs, userData } from "./bootstrap";
import type { Machine } from "./machine";
import type { Trust } from "./trust";

/** What a server at Hetzner Cloud is made of. */
export interface VpsArgs {
  readonly server: pulumi.Output<ServerSettings>;
  /** TCP ports that the cloud's firewall lets in; nothing else comes in. Without one it is closed. */
  readonly publicPorts: readonly number[];
  /** Its deploy key is attached at Hetzner: without one, Hetzner would make up a root password and mail it. */
  readonly trust: Trust;
  /** What the server is told at its first boot. Read once, at creation. */
  readonly bootstrap: pulumi.Input<BootstrapArgs>;
}

type Rule = hcloud.types.input.FirewallRule;

/**
 * What the cloud's firewall lets in. Without a port that is a ping from an address that nobody has (RFC 5737): the provider
 * never takes the last rule off a firewall that has one.
 */
function rulesFor(ports: readonly number[]): Rule[] {
  if (ports.length === 0) {
    return [{ direction: "in", protocol: "icmp", sourceIps: ["192.0.2.1/32"], description: "Nobody" }];
  }
  return ports.map((port): Rule => ({
    direction: "in",
    protocol: "tcp",
    port: String(port),
    sourceIps: ["0.0.0.0/0", "::/0"],
    description: "SSH",
  }));
}

/** A server at Hetzner Cloud behind a firewall that lets in SSH alone, from the first packet on. */
export class Vps extends pulumi.ComponentResource implements Machine {
  /** IPv4 address, which outlives the server. */
  readonly address: pulumi.Output<string>;
  /** The server's id. */
  readonly machineId: pulumi.Output<string>;
  /** The single-use key of user_data. */
  readonly hostKey: pulumi.Output<string>;
  /** The server. */
  readonly deletedWith: hcloud.Server;

  constructor(name: string, args: VpsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Vps", name, {}, opts);
    const parent = { parent: this };
    const label = `monoclaw-${pulumi.getStack()}-${name}`;
    const labels = { "managed-by": "monoclaw", stack: pulumi.getStack(), host: name };
    const { trust } = args;
    const key = new hcloud.SshKey(`${name}-deploy`, { name: label, publicKey: trust.deployPublicKey, labels }, parent);
    const firewall = new hcloud.Firewall(
      `${name}-firewall`,
      {
        name: label,
        labels,
        rules: rulesFor(args.publicPorts),
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
        autoDelete: false,
      },
      parent,
    );
    const server = new hcloud.Server(
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
        userData: pulumi
          .all([args.bootstrap, trust.bootstrapPrivateKey, trust.bootstrapPublicKey])
          .apply(([bootstrap, privateKey, publicKey]) => userData(bootstrap, { privateKey, publicKey })),
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
    this.machineId = server.id;
    this.hostKey = trust.bootstrapPublicKey;
    this.deletedWith = server;
    this.registerOutputs({ address: this.address, machineId: this.machineId });
  }
}
