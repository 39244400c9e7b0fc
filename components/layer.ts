import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { ExistingSettings } from "../lib/config";
import { digest, message, sign } from "../lib/envelope";

/** Where sshd is reached. */
export interface Endpoint {
  /** IP address or DNS name. */
  readonly host: pulumi.Input<string>;
  /** TCP port. */
  readonly port: number;
}

/** A host as its layers see it: how to reach it, and what makes it obey. */
export interface Target {
  /** The way in that is open now: during a change the previous one. */
  readonly now: Endpoint;
  /** The way in that is to be open at the end; a confirmation comes in here. */
  readonly next: Endpoint;
  /** True if the two differ. */
  readonly moves: boolean;
  /** The primary user. */
  readonly user: string;
  /** Private half of the deploy key. */
  readonly privateKey: pulumi.Input<string>;
  /** The host's public key: a host with another one is not talked to. */
  readonly hostKey: pulumi.Input<string>;
  /** Changes when the host is another machine, which then gets every layer anew. */
  readonly machineId: pulumi.Input<string>;
  /** The host's id in envelopes. */
  readonly hostId: pulumi.Input<string>;
  /** Seed of the signing key. */
  readonly signingSeed: pulumi.Input<string>;
  /** `monoclaw:generation`. */
  readonly generation: number;
}

/** What a layer is made of. */
export interface LayerArgs {
  readonly target: Target;
  /** Name of the layer, as the host knows it: `ssh`, `firewall` … */
  readonly layer: string;
  /** The script that the host's root runs, shown in clear in a preview unless it is secret. */
  readonly script: pulumi.Input<string>;
  /** True if the script holds a secret: then neither script nor output is shown. @default false */
  readonly secret?: boolean;
}

/**
 * How long to try to connect: more than a blink, for sshd reloads, but not so often that fail2ban takes the
 * operator for an attacker.
 */
const dialErrorLimit = 3;
/** Seconds for one attempt to connect. */
const perDialTimeout = 10;
/** Attempts to get in by a new way, while the host may be applying the change again: 11 s if it refuses, 2 min if it is silent. */
const newWayDialErrorLimit = 10;
/** Attempts while a new server boots; they come 5 s apart. */
const bootDialErrorLimit = 60;

/**
 * One concern of a host: a script that is signed here and that the host runs as root, all or nothing.
 * An unchanged script gives an unchanged envelope, so nothing is sent.
 */
export class Layer extends pulumi.ComponentResource {
  /** Name of the layer, as the host knows it. */
  readonly layer: string;
  /** SHA-256 of the envelope's signed part, 64 hex digits. */
  readonly digest: pulumi.Output<string>;
  /** What the host said; secret if the layer is. */
  readonly answer: pulumi.Output<string>;

  constructor(name: string, args: LayerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Layer", name, {}, opts);
    const { target, layer } = args;
    this.layer = layer;
    const text = pulumi
      .all([target.hostId, args.script])
      .apply(([hostId, script]) => message({ hostId, layer, generation: target.generation }, script));
    // A signature is no secret, though it is made from one: a secret here would hide the whole script in previews.
    const signature = pulumi.unsecret(
      pulumi.all([target.signingSeed, text]).apply(([seed, signed]) => sign(seed, signed)),
    );
    this.digest = text.apply(digest);
    const apply = new command.remote.Command(
      `${name}-apply`,
      {
        connection: connection(target, target.now, dialErrorLimit),
        create: "apply",
        stdin: pulumi.all([text, signature]).apply(([signed, proof]) => signed + proof),
        triggers: [target.machineId],
        addPreviousOutputInEnv: false,
        logging: args.secret === true ? command.remote.Logging.None : command.remote.Logging.StdoutAndStderr,
      },
      { parent: this, additionalSecretOutputs: args.secret === true ? ["stdin", "stdout", "stderr"] : [] },
    );
    this.answer = apply.stdout;
    this.registerOutputs({ digest: this.digest });
  }
}

/**
 * Comes back over a new connection to keep what a layer changed: without it the host puts the change back by itself.
 *
 * While the way in changes, a second command comes in by the old one and waits for the first. If nobody gets in by the new
 * one it fails too, with the ways out; so the next `pulumi up` runs both, and this one makes the host try the change again.
 */
export class Confirmation extends pulumi.ComponentResource {
  constructor(
    name: string,
    { target, layer, digest: awaited }: { target: Target; layer: string; digest: pulumi.Input<string> },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:Confirmation", name, {}, opts);
    const run = (word: "confirm" | "await", way: Endpoint, limit: number) =>
      new command.remote.Command(
        `${name}-${word}`,
        {
          connection: connection(target, way, limit),
          create: pulumi.interpolate`${word} ${layer} ${awaited}`,
          triggers: [target.machineId],
          addPreviousOutputInEnv: false,
        },
        { parent: this },
      );
    // In this order: with `--parallel 1` the one that waits must come last.
    run("confirm", target.next, target.moves ? newWayDialErrorLimit : dialErrorLimit);
    if (target.moves) {
      run("await", target.now, dialErrorLimit);
    }
    this.registerOutputs();
  }
}

/**
 * The host's way out of the tailnet: nothing when it is made, and when it goes the host logs out, so that no dead device is
 * left behind. Unlike a layer it isn't `deletedWith` the server, for it must run while that is still there.
 */
export class Leave extends pulumi.ComponentResource {
  /** @param args.overTailnet - the host is reached over the tailnet, so the connection goes with the host's place there */
  constructor(
    name: string,
    { target, overTailnet }: { readonly target: Target; readonly overTailnet: boolean },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:Leave", name, {}, opts);
    new command.remote.Command(
      `${name}-leave`,
      {
        connection: connection(target, target.now, dialErrorLimit),
        delete: overTailnet ? "leave-soon" : "leave",
        triggers: [target.machineId],
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/**
 * The one run on an existing machine as its root, before the stack has a way of its own. It leaves the old ways in open:
 * the ssh layer closes them, when the new one is proven.
 */
export class Bootstrap extends pulumi.ComponentResource {
  /** The machine's own public key: type and key, one line. */
  readonly hostKey: pulumi.Output<string>;

  constructor(
    name: string,
    args: { readonly existing: ExistingSettings; readonly machineId: string; readonly script: pulumi.Input<string> },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:Bootstrap", name, {}, opts);
    const { address: host, port, user, privateKey, hostKey } = args.existing;
    const run = new command.remote.Command(
      `${name}-bootstrap`,
      {
        // Key by key, as in connection(): an unexpected one would be printed with the private key beside it.
        connection: {
          ...{ host, port, user, dialErrorLimit, perDialTimeout },
          // Without one the SSH agent is asked.
          ...(privateKey === undefined ? {} : { privateKey: pulumi.secret(privateKey) }),
          ...(hostKey === undefined ? {} : { hostKey }),
        },
        create: user === "root" ? asRoot : bySudo,
        stdin: args.script,
        triggers: [args.machineId],
        addPreviousOutputInEnv: false,
        logging: command.remote.Logging.Stderr,
      },
      // Once it is done, root can't log in any more, and layers bring every change: only another machine gets it again.
      { parent: this, ignoreChanges: ["connection", "create", "stdin"] },
    );
    this.hostKey = pulumi.unsecret(run.stdout).apply(checkHostKey);
    this.registerOutputs({ hostKey: this.hostKey });
  }
}

/**
 * The first connection to a new host, which is known by its single-use key: the host makes a key of its own.
 */
export class FirstContact extends pulumi.ComponentResource {
  /** The host's own public key: type and key, one line. */
  readonly hostKey: pulumi.Output<string>;

  /**
   * @param args.at - where sshd of a new host is reached, which is on no tailnet yet
   * @param args.isOpen - false if the settings have that closed already: then a new host fails soon, as nobody can get in
   */
  constructor(
    name: string,
    args: { readonly target: Target; readonly at: Endpoint; readonly isOpen: boolean },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:FirstContact", name, {}, opts);
    const contact = new command.remote.Command(
      `${name}-key`,
      {
        connection: connection(args.target, args.at, args.isOpen ? bootDialErrorLimit : dialErrorLimit),
        create: "first-contact",
        triggers: [args.target.machineId],
        addPreviousOutputInEnv: false,
        logging: command.remote.Logging.Stderr,
      },
      // A later change of port or user is no reason to make contact again: only another machine is.
      { parent: this, ignoreChanges: ["connection"] },
    );
    this.hostKey = pulumi.unsecret(contact.stdout).apply(checkHostKey);
    this.registerOutputs({ hostKey: this.hostKey });
  }
}

/** @throws Error if the host's answer is not an Ed25519 public key */
function checkHostKey(answer: string): string {
  if (!/^ssh-ed25519 [A-Za-z0-9+/]{68}$/.test(answer)) {
    throw new Error("the host's answer to the first contact is not an Ed25519 host key");
  }
  return answer;
}

/** What an existing machine runs first, as root or another account; a failure shows it, so it is short. */
const asRoot = "bash -s";
const bySudo = `sudo -n true && exec sudo -n bash -s; echo 'error: this account has no sudo without a password' >&2; exit 1`;

/** The connection's keys one by one: an unexpected key would be printed with the private key beside it. */
function connection(
  target: Target,
  { host, port }: Endpoint,
  limit: number,
): command.types.input.remote.ConnectionArgs {
  return {
    host,
    port,
    user: target.user,
    privateKey: target.privateKey,
    hostKey: target.hostKey,
    dialErrorLimit: limit,
    perDialTimeout,
  };
}
