import * as pulumi from "@pulumi/pulumi";
import type { HostSettings } from "../lib/config";
import { userData } from "./bootstrap";
import { GatewayToken } from "./gatewayToken";
import { Confirmation, FirstContact, Layer, type Target } from "./layer";
import { firewallScript } from "./layers/firewall";
import { gatewayScript } from "./layers/gateway";
import { gatewayTokenScript } from "./layers/gatewayToken";
import { openclawScript } from "./layers/openclaw";
import { receiverScript } from "./layers/receiver";
import { sshScript } from "./layers/ssh";
import { usersScript } from "./layers/users";
import { Trust } from "./trust";
import { Vps } from "./vps";

/** What a hardened host is made of. */
export interface HostArgs {
  readonly settings: HostSettings;
  /** `monoclaw:generation`. */
  readonly generation: number;
  /** Base URL of the npm registry, with a slash at its end. */
  readonly registry: pulumi.Input<string>;
}

/** One hardened server with an OpenClaw gateway: the server, the trust between it and the stack, and its layers. */
export class Host extends pulumi.ComponentResource {
  /** IPv4 address. */
  readonly address: pulumi.Output<string>;
  /** What to type for a shell on the host. */
  readonly sshCommand: pulumi.Output<string>;
  /** The host's line for `~/.ssh/known_hosts`. */
  readonly knownHosts: pulumi.Output<string>;
  /** The gateway's token. Secret. */
  readonly gatewayToken: pulumi.Output<string>;
  /** The command that rotates the token. */
  readonly rotateToken: pulumi.Output<string>;

  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Host", name, {}, opts);
    const parent = { parent: this };
    const { primaryUser, sshPort, previousSshPort, authorizedKeys, server } = args.settings;
    const sshPorts = previousSshPort === undefined ? [sshPort] : [sshPort, previousSshPort];
    const trust = new Trust(`${name}-trust`, parent);
    const token = new GatewayToken(`${name}-gateway`, parent);

    const data = pulumi
      .all([
        trust.hostId,
        trust.allowedSigners,
        trust.deployPublicKey,
        trust.bootstrapPrivateKey,
        trust.bootstrapPublicKey,
      ])
      .apply(([hostId, allowedSigners, deployPublicKey, privateKey, publicKey]) =>
        userData(
          { hostId, allowedSigners, deployPublicKey, primaryUser, sshPorts, authorizedKeys },
          { privateKey, publicKey },
        ),
      );
    const vps = new Vps(name, { server, sshPorts, deployPublicKey: trust.deployPublicKey, userData: data }, parent);

    const target: Target = {
      address: vps.address,
      port: previousSshPort ?? sshPort,
      newPort: sshPort,
      user: primaryUser,
      privateKey: trust.deployPrivateKey,
      hostKey: trust.bootstrapPublicKey,
      machineId: vps.server.id,
      hostId: trust.hostId,
      signingSeed: trust.signingSeed,
      generation: args.generation,
    };
    const onServer = { parent: this, deletedWith: vps.server };
    const contact = new FirstContact(`${name}-contact`, { target }, onServer);
    const known: Target = { ...target, hostKey: contact.hostKey };
    const layer = (
      layerName: string,
      script: pulumi.Input<string>,
      dependsOn: readonly pulumi.Resource[],
      secret = false,
    ) =>
      new Layer(
        `${name}-${layerName}`,
        { target: known, layer: layerName, script, secret },
        { ...onServer, dependsOn: [...dependsOn] },
      );
    const confirm = (confirmed: Layer, layerName: string, dependsOn: readonly pulumi.Resource[]) =>
      new Confirmation(
        `${name}-${layerName}`,
        { target: known, layer: layerName, digest: confirmed.digest },
        { ...onServer, dependsOn: [...dependsOn] },
      );

    const receiver = layer("receiver", receiverScript(), []);
    const users = layer(
      "users",
      trust.deployPublicKey.apply((deployPublicKey) => usersScript({ primaryUser, authorizedKeys, deployPublicKey })),
      [receiver],
    );
    const ssh = layer("ssh", sshScript({ primaryUser, sshPorts }), [receiver]);
    const firewall = layer("firewall", firewallScript({ sshPorts }), [receiver]);
    // A new port is open only when both have it.
    confirm(ssh, "ssh", [ssh, firewall]);
    confirm(firewall, "firewall", [ssh, firewall]);
    const openclaw = layer(
      "openclaw",
      pulumi.output(args.registry).apply((registry) => openclawScript({ registry })),
      [receiver],
    );
    const gatewayToken = layer(
      "gateway-token",
      token.token.apply((secret) => gatewayTokenScript({ token: secret })),
      [users, openclaw],
      true,
    );
    layer("gateway", gatewayScript({ settings: args.settings.openclaw.settings, ...args.settings.limits }), [
      gatewayToken,
    ]);

    this.address = vps.address;
    this.sshCommand = pulumi.interpolate`ssh -p ${sshPort} ${primaryUser}@${vps.address}`;
    this.knownHosts = pulumi.interpolate`[${vps.address}]:${sshPort} ${contact.hostKey}`;
    this.gatewayToken = token.token;
    this.rotateToken = pulumi.interpolate`pulumi up --replace '${token.rotationUrn}'`;
    this.registerOutputs({ address: this.address, sshCommand: this.sshCommand, knownHosts: this.knownHosts });
  }
}
