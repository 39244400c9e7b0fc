import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { portsBy } from "../../lib/sshWays";
import { bootstrapArgs, userData } from "../bootstrap";
import type { Machine, MachineArgs } from "./machine";

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

  constructor(name: string, { settings, ways, trust }: MachineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Vps", name, {}, opts);
    const parent = { parent: this };
    const label = `monoclaw-${pulumi.getStack()}-${name}`;
    const labels = { "managed-by": "monoclaw", stack: pulumi.getStack(), host: name };
    const { server: rented } = settings.content;
    // Attached at Hetzner, for without one Hetzner would make up a root password and mail it.
    const key = new hcloud.SshKey(`${name}-deploy`, { name: label, publicKey: trust.deployPublicKey, labels }, parent);
    const firewall = new hcloud.Firewall(
      `${name}-firewall`,
      {
        name: label,
        labels,
        rules: rulesFor(portsBy("public", ways)),
      },
      parent,
    );
    const address = new hcloud.PrimaryIp(
      `${name}-ipv4`,
      {
        name: label,
        labels,
        type: "ipv4",
        location: rented.location,
        autoDelete: false,
      },
      parent,
    );
    const server = new hcloud.Server(
      `${name}-server`,
      {
        name: label,
        labels,
        serverType: rented.type,
        image: rented.image,
        location: rented.location,
        backups: rented.backups,
        sshKeys: [key.id],
        // On the server itself the firewall is there before the first boot; an attachment would come after it.
        firewallIds: [firewall.id.apply(Number)],
        publicNets: [{ ipv4Enabled: true, ipv4: address.id.apply(Number), ipv6Enabled: true }],
        userData: pulumi
          .all([bootstrapArgs(settings, ways, trust), trust.bootstrapPrivateKey, trust.bootstrapPublicKey])
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
