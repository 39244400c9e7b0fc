import * as pulumi from "@pulumi/pulumi";
import { portsBy, type SshWay, type SshWays, sshWays, wayWord } from "../lib/sshWays";
import type { Before } from "./before";
import type { Endpoint, Target } from "./connection";
import { FirstContact } from "./contact";
import { GatewayToken } from "./gatewayToken";
import type { HostInputs } from "./hostInputs";
import { prepare, type PreparedSettings } from "./hostSettings";
import { Confirmation, Layer, Leave, Takeover } from "./layer";
import { expectedOf, layers } from "./layers";
import { dashboardOrigin } from "./layers/dashboard";
import type { HostParts } from "./layers/definition";
import { receiverScript } from "./layers/receiver";
import { leaveScript, tailnetLayer } from "./layers/tailnet";
import { type Machine, machines } from "./machines";
import { join, removal, type Tailnet } from "./tailnet";
import { Trust } from "./trust";

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
    const settings = prepare(name, { keys, leastSerial });
    const { primaryUser, sshPort, tailnet, content } = settings;
    const ways = sshWays(settings);
    const trust = new Trust(`${name}-trust`, parent);
    const token = new GatewayToken(`${name}-gateway`, parent);
    const machine = machines[settings.target](name, { settings, ways, trust }, parent);
    const onMachine = {
      parent: this,
      ...(machine.deletedWith === undefined ? {} : { deletedWith: machine.deletedWith }),
    };
    const first = targetOf(name, { settings, ways, trust, machine, leastSerial, before });
    const contact = new FirstContact(
      `${name}-contact`,
      { target: first, at: { host: machine.address, port: sshPort }, isOpen: portsBy("public", ways).length > 0 },
      onMachine,
    );
    const target: Target = { ...first, hostKey: contact.hostKey };
    const takeover = FirstContact.isOld(`${name}-contact`, before)
      ? [new Takeover(`${name}-receiver`, { target, script: receiverScript() }, onMachine)]
      : [];
    const membership = tailnet.enabled
      ? join(name, { tailnet, machineId: machine.machineId, policy: policyOwner?.policy }, parent)
      : undefined;
    const parts: HostParts = {
      primaryUser,
      ways,
      content,
      deployPublicKey: trust.deployPublicKey,
      token,
      archive: tailnet.enabled ? tailnet.archive : undefined,
      membership,
    };
    const made = declareLayers(name, parts, { target, policyOwner, opts: { ...onMachine, dependsOn: takeover } });
    const origin = dashboardOrigin({ membership, layers: made });
    const joined = made.get(tailnetLayer.name);
    if (origin !== undefined && joined !== undefined) {
      const [tag = ""] = tailnet.tags;
      const device = removal(`${name}-tailnet-device`, { origin, tag, machineId: machine.machineId }, parent);
      const script = leaveScript({ soon: ways.now.reach === "tailnet" });
      // What comes last goes first: a host whose device is gone can't log out.
      new Leave(`${name}-tailnet`, { target, joined, script }, { parent: this, dependsOn: [device] });
    }

    const { host, port } = target.next;
    this.address = machine.address;
    this.sshCommand = pulumi.interpolate`ssh -p ${port} ${primaryUser}@${host}`;
    this.knownHosts = pulumi.interpolate`[${host}]:${port} ${contact.hostKey}`;
    this.gatewayToken = token.token;
    this.rotateToken = token.rotateCommand;
    this.dashboardUrl =
      origin?.apply((url) => `${url}/`) ??
      pulumi.interpolate`http://127.0.0.1:18789/ after: ssh -N -L 18789:127.0.0.1:18789 -p ${sshPort} ${primaryUser}@${machine.address}`;
    this.audit = pulumi.output(made.get("audit")?.answer ?? "").apply(findings);
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

/** What a host is reached by. */
interface Reached {
  readonly settings: PreparedSettings;
  readonly ways: SshWays;
  readonly trust: Trust;
  readonly machine: Machine;
  readonly leastSerial: number;
  readonly before: Before;
}

/** A host before its first contact: it has the machine's key then. */
function targetOf(name: string, { settings, ways, trust, machine, leastSerial, before }: Reached): Target {
  const endpoint = ({ reach, port }: SshWay): Endpoint => ({
    host: reach === "public" ? machine.address : (settings.tailnet.address ?? name),
    port,
  });
  return {
    now: endpoint(ways.now),
    next: endpoint(ways.next),
    moves: wayWord(ways.now) !== wayWord(ways.next),
    user: settings.primaryUser,
    privateKey: trust.deployPrivateKey,
    hostKey: machine.hostKey,
    machineId: machine.machineId,
    hostId: trust.hostId,
    signingSeed: trust.signingSeed,
    leastSerial,
    before,
  };
}

/** Where layers go, and what comes before them. */
interface Destination {
  readonly target: Target;
  readonly policyOwner: Tailnet | undefined;
  readonly opts: Omit<pulumi.ComponentResourceOptions, "dependsOn"> & {
    readonly dependsOn: readonly pulumi.Resource[];
  };
}

/** Declares all layers of a host, in their order, and the confirmations of those that need one. */
function declareLayers(
  name: string,
  parts: HostParts,
  { target, policyOwner, opts }: Destination,
): ReadonlyMap<string, Layer> {
  const expected = expectedOf(parts);
  const made = new Map<string, Layer>();
  const confirmations = new Map<string, Confirmation>();
  const confirmed = layers.filter((layer) => layer.confirmed);
  for (const definition of layers) {
    const { name: layer, after = [...made.keys()], secret = false } = definition;
    const script = definition.script({ ...parts, expected, layers: made });
    if (script === undefined) continue;
    const ready = after.flatMap((each) => confirmations.get(each) ?? made.get(each) ?? []);
    const dependsOn = [...opts.dependsOn, ...ready];
    made.set(layer, new Layer(`${name}-${layer}`, { target, layer, script, secret }, { ...opts, dependsOn }));
    if (definition === confirmed.at(-1)) {
      // A new way in is open only when all have it. Over the tailnet nobody comes in whom its policy doesn't let.
      const all = confirmed.flatMap((each) => made.get(each.name) ?? []);
      const policy = policyOwner === undefined ? [] : [policyOwner.policy];
      const awaited = { ...opts, dependsOn: [...all, ...policy] };
      for (const { layer: each, digest } of all) {
        confirmations.set(each, new Confirmation(`${name}-${each}`, { target, layer: each, digest }, awaited));
      }
    }
  }
  return made;
}

/** The audit's lines, without the layer's name before them and without the receiver's closing line. */
function findings(answer: string): string[] {
  return answer.split("\n").flatMap((line) => /^audit: ((?:WARN|FAIL) .*|\d+ pass.*)$/.exec(line)?.[1] ?? []);
}
