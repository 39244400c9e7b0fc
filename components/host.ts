import * as pulumi from "@pulumi/pulumi";
import { npmRegistry } from "../lib/registry";
import { portsBy, type SshWay, sshWays, wayWord } from "../lib/sshWays";
import type { Before } from "./before";
import { ExistingHost } from "./existingHost";
import { GatewayToken } from "./gatewayToken";
import type { HostInputs } from "./hostInputs";
import { prepare } from "./hostSettings";
import { Confirmation, type Endpoint, FirstContact, Layer, Leave, Takeover, type Target } from "./layer";
import { fail2banScript } from "./layers/fail2ban";
import { auditScript } from "./layers/audit";
import { firewallScript } from "./layers/firewall";
import { gatewayScript } from "./layers/gateway";
import { gatewayTokenScript } from "./layers/gatewayToken";
import { kernelScript } from "./layers/kernel";
import { managementScript } from "./layers/management";
import { openclawScript } from "./layers/openclaw";
import { packagesScript } from "./layers/packages";
import { receiverScript } from "./layers/receiver";
import { sshScript } from "./layers/ssh";
import { dashboardScript, dashboardUrl, leaveScript, tailnetScript, tailscaleScript } from "./layers/tailscale";
import { updatesScript } from "./layers/updates";
import { usersScript } from "./layers/users";
import type { Machine } from "./machine";
import { join, type Membership, removal, type Tailnet } from "./tailnet";
import { Trust } from "./trust";
import { Vps } from "./vps";

/** What a hardened host is made of, beside its settings. */
export interface HostArgs extends HostInputs {
  /** What the stack sent before: `await readBefore()`. */
  readonly before: Before;
  /**
   * The lowest serial of every envelope: the last resort, where a host has got a higher one from a wrong clock.
   *
   * @default 1
   */
  readonly leastSerial?: number | undefined;
  /** The tailnet whose policy the stack owns; without, somebody else does, or this host is on none. */
  readonly policyOwner?: Tailnet | undefined;
}

/**
 * One hardened server with an OpenClaw gateway: the server, the trust between it and the stack, and its layers. Of its settings only
 * `authorizedKeys` must be given.
 *
 * @example
 * const home = new Host("home", { authorizedKeys: ["ssh-ed25519 AAAA… me@laptop"], before: await readBefore() });
 */
export class Host extends pulumi.ComponentResource {
  /** IP address or DNS name. */
  readonly address: pulumi.Output<string>;
  /** What to type for a shell on the host. */
  readonly sshCommand: pulumi.Output<string>;
  /** The host's line for `~/.ssh/known_hosts`. */
  readonly knownHosts: pulumi.Output<string>;
  /** The gateway's token. Secret. */
  readonly gatewayToken: pulumi.Output<string>;
  /** The command that rotates the token. */
  readonly rotateToken: pulumi.Output<string>;
  /** Where the dashboard is: its address on the tailnet, or how to reach it through SSH. */
  readonly dashboardUrl: pulumi.Output<string>;
  /** What the host's own audit found at its last change: the rows that don't pass, and how many of each. */
  readonly audit: pulumi.Output<readonly string[]>;

  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Host", name, {}, opts);
    const parent = { parent: this };
    const { before, leastSerial = 1, policyOwner, ...keys } = args;
    const { content, existing, ...settings } = prepare(name, { keys, leastSerial });
    const { primaryUser, sshPort, tailnet } = settings;
    const ways = sshWays(settings);
    const sshPorts = ways.ports;
    const trust = new Trust(`${name}-trust`, parent);
    const token = new GatewayToken(`${name}-gateway`, parent);

    const bootstrap = pulumi
      .all([trust.hostId, trust.allowedSigners, trust.deployPublicKey, content.authorizedKeys])
      .apply(([hostId, allowedSigners, deployPublicKey, authorizedKeys]) => ({
        hostId,
        allowedSigners,
        deployPublicKey,
        primaryUser,
        sshPorts,
        authorizedKeys,
      }));
    const machine: Machine =
      existing === undefined
        ? new Vps(name, { server: content.server, publicPorts: portsBy("public", ways), trust, bootstrap }, parent)
        : new ExistingHost(name, { existing, bootstrap }, parent);

    const endpoint = ({ reach, port }: SshWay): Endpoint => ({
      host: reach === "public" ? machine.address : (tailnet.address ?? name),
      port,
    });
    const target: Target = {
      now: endpoint(ways.now),
      next: endpoint(ways.next),
      moves: wayWord(ways.now) !== wayWord(ways.next),
      user: primaryUser,
      privateKey: trust.deployPrivateKey,
      hostKey: machine.hostKey,
      machineId: machine.machineId,
      hostId: trust.hostId,
      signingSeed: trust.signingSeed,
      leastSerial,
      before,
    };
    const onServer = {
      parent: this,
      ...(machine.deletedWith === undefined ? {} : { deletedWith: machine.deletedWith }),
    };
    const contact = new FirstContact(
      `${name}-contact`,
      { target, at: endpoint({ reach: "public", port: sshPort }), isOpen: portsBy("public", ways).length > 0 },
      onServer,
    );
    const known: Target = { ...target, hostKey: contact.hostKey };
    const layers: Layer[] = [];
    const layer = (
      layerName: string,
      script: pulumi.Input<string>,
      dependsOn: readonly pulumi.Resource[],
      secret = false,
    ) => {
      const made = new Layer(
        `${name}-${layerName}`,
        { target: known, layer: layerName, script, secret },
        { ...onServer, dependsOn: [...dependsOn] },
      );
      layers.push(made);
      return made;
    };
    const confirm = (confirmed: Layer, dependsOn: readonly pulumi.Resource[]) =>
      new Confirmation(
        `${name}-${confirmed.layer}`,
        { target: known, layer: confirmed.layer, digest: confirmed.digest },
        // Over the tailnet nobody comes in whom its policy doesn't let.
        { ...onServer, dependsOn: [...dependsOn, ...(policyOwner === undefined ? [] : [policyOwner.policy])] },
      );

    const takeover = FirstContact.isOld(`${name}-contact`, before)
      ? [new Takeover(`${name}-receiver`, { target: known, script: receiverScript() }, onServer)]
      : [];
    const receiver = layer("receiver", receiverScript(), takeover);
    const users = layer(
      "users",
      pulumi
        .all([trust.deployPublicKey, content.authorizedKeys])
        .apply(([deployPublicKey, authorizedKeys]) => usersScript({ primaryUser, authorizedKeys, deployPublicKey })),
      [receiver],
    );
    const packages = layer("packages", packagesScript(), [receiver]);
    // After the packages: both must be confirmed in time, and a slow mirror must not eat that time up.
    const ssh = layer("ssh", sshScript({ primaryUser, sshPorts }), [packages]);
    const firewall = layer("firewall", firewallScript(ways), [packages]);
    // A new way in is open only when both have it.
    const confirmations = [confirm(ssh, [ssh, firewall]), confirm(firewall, [ssh, firewall])];
    // What else knows the ports comes after: a host that puts a new port back has nothing to take back then.
    const fail2ban = content.fail2ban.apply((jail) => fail2banScript({ sshPorts, ...jail }));
    layer("fail2ban", fail2ban, [packages, ...confirmations]);
    const rotateToken = pulumi.interpolate`pulumi up --replace '${token.rotationUrn}'`;
    const membership = tailnet.enabled
      ? join(name, { tailnet, machineId: machine.machineId, policy: policyOwner?.policy }, parent)
      : undefined;
    const management = layer(
      "management",
      pulumi
        .all([rotateToken, trust.deployPublicKey, membership?.host, pulumi.output(content)])
        .apply(([command, deployPublicKey, place, held]) =>
          managementScript({
            primaryUser,
            authorizedKeys: held.authorizedKeys,
            deployPublicKey,
            sshPorts,
            open: ways.open,
            limits: held.limits,
            fail2ban: held.fail2ban,
            updates: held.updates,
            kernel: held.kernel,
            rotateToken: command,
            tailnet: place === undefined ? undefined : { ...place, archive: tailnet.archive },
          }),
        ),
      confirmations,
    );
    layer("kernel", content.kernel.apply(kernelScript), [receiver]);
    layer("updates", content.updates.apply(updatesScript), [packages]);
    const openclaw = layer(
      "openclaw",
      content.openclaw.apply(async ({ registry }) => openclawScript({ registry: registry ?? (await npmRegistry()) })),
      [receiver],
    );
    const gatewayToken = layer(
      "gateway-token",
      token.token.apply((secret) => gatewayTokenScript({ token: secret })),
      [users, openclaw, packages], // which bring what decrypts it
      true,
    );
    const archive = tailnet.enabled ? tailnet.archive : undefined;
    const tailscale = layer("tailscale", tailscaleScript({ archive }), [users, management]);
    /** Joins the tailnet and serves the dashboard there: gives back the address that browsers see. */
    const serve = ({ authKey, host }: Membership): pulumi.Output<string> => {
      const script = pulumi.all([authKey, host]).apply(([key, place]) => tailnetScript({ ...place, authKey: key }));
      const joined = layer("tailnet", script, [tailscale, packages], true);
      const dashboard = layer("dashboard", host.apply(dashboardScript), [joined]);
      const origin = pulumi.all([dashboard.answer, host]).apply(([answer, place]) => dashboardUrl(answer, place));
      const [tag = ""] = tailnet.tags;
      const device = removal(`${name}-tailnet-device`, { origin, tag, machineId: machine.machineId }, parent);
      // What comes last goes first: a host whose device is gone can't log out.
      new Leave(
        `${name}-tailnet`,
        { target: known, joined, script: leaveScript({ soon: ways.now.reach === "tailnet" }) },
        { parent: this, dependsOn: [device] },
      );
      return origin;
    };
    const served = membership === undefined ? undefined : serve(membership);
    layer(
      "gateway",
      pulumi
        .all([served, content.openclaw, content.limits])
        .apply(([origin, { settings }, limits]) =>
          gatewayScript({ settings, origins: origin === undefined ? [] : [origin], ...limits }),
        ),
      [gatewayToken],
    );
    const digests = layers.map((each) => each.digest.apply((digest) => ({ name: each.layer, digest })));
    const audit = layer("audit", pulumi.all(digests).apply(auditScript), [...layers, ...confirmations]);

    this.address = machine.address;
    const { next } = target;
    this.sshCommand = pulumi.interpolate`ssh -p ${next.port} ${primaryUser}@${next.host}`;
    this.knownHosts = pulumi.interpolate`[${next.host}]:${next.port} ${contact.hostKey}`;
    this.gatewayToken = token.token;
    this.rotateToken = rotateToken;
    this.dashboardUrl =
      served?.apply((origin) => `${origin}/`) ??
      pulumi.interpolate`http://127.0.0.1:18789/ after: ssh -N -L 18789:127.0.0.1:18789 -p ${sshPort} ${primaryUser}@${machine.address}`;
    this.audit = audit.answer.apply(findings);
    this.registerOutputs({
      address: this.address,
      sshCommand: this.sshCommand,
      knownHosts: this.knownHosts,
      gatewayToken: this.gatewayToken,
      rotateToken: this.rotateToken,
      dashboardUrl: this.dashboardUrl,
      audit: this.audit,
    });
  }
}

/** The audit's lines, without the layer's name before them and without the receiver's closing line. */
function findings(answer: string): string[] {
  return answer.split("\n").flatMap((line) => /^audit: ((?:WARN|FAIL) .*|\d+ pass.*)$/.exec(line)?.[1] ?? []);
}
