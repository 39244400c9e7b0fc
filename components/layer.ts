import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { encrypt } from "../lib/age";
import { readAnswer } from "../lib/answer";
import {
  type Act,
  chooseSerial,
  digest,
  type Intended,
  machineOf,
  message,
  sign,
  signedPart,
  takeover,
} from "../lib/envelope";
import type { Before } from "./before";
import type { ExistingInputs } from "./hostSettings";

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
  /** `monoclaw:serial`: the lowest serial of every envelope. */
  readonly leastSerial: number;
  /** What the last run left. */
  readonly before: Before;
}

/** What a layer is made of. */
export interface LayerArgs {
  readonly target: Target;
  /** Name of the layer, as the host knows it: `ssh`, `firewall` … */
  readonly layer: string;
  /** The script that the host's root runs, shown in clear in a preview unless it is secret. */
  readonly script: pulumi.Input<string>;
  /** True if the script holds a secret: then it is encrypted to the host, and its answer tells nothing of it. @default false */
  readonly secret?: boolean;
}

/**
 * How long to try to connect: more than a blink, for sshd reloads, but not so often that fail2ban takes the
 * operator for an attacker.
 */
const dialErrorLimit = 3;
/** How the first contact is asked for; the release before asked without the signature, and knew no other word. */
const signedContact = "first-contact signed";
const unsignedContact = "first-contact";
/** Seconds for one attempt to connect. */
const perDialTimeout = 10;
/** Attempts to get in by a new way, while the host may be applying the change again: 11 s if it refuses, 2 min if it is silent. */
const newWayDialErrorLimit = 10;
/** Attempts while a new server boots; they come 5 s apart. */
const bootDialErrorLimit = 60;

/** An envelope to be sent. */
interface Sending {
  readonly target: Target;
  /** The way in. */
  readonly way: Endpoint;
  /** Attempts to connect. */
  readonly limit: number;
  readonly layer: string;
  readonly act: pulumi.Input<Act>;
  readonly script: pulumi.Input<string>;
  readonly secret: boolean;
  /** What this layer was to get last: if that isn't what the state has as sent, the host may have it all the same. */
  readonly intended?: Intended | undefined;
}

/** An envelope that a host took. */
interface Sent {
  /** SHA-256 of the envelope's signed part, 64 hex digits. */
  readonly digest: pulumi.Output<string>;
  readonly serial: pulumi.Output<number>;
  /** What the host said, verified. */
  readonly answer: pulumi.Output<string>;
}

/**
 * Signs an envelope, sends it and verifies the answer. If nothing changed and the answer in the state is the host's own, it is
 * the envelope of before, so nothing is sent; a forged or cut answer that got into the state is asked for again.
 *
 * @throws pulumi.ResourceError if the answer isn't the host's
 */
function send(name: string, { target, way, limit, ...what }: Sending, parent: pulumi.Resource): Sent {
  const before = target.before.commands.get(name);
  const earlier =
    before === undefined ? undefined : { envelope: before.stdin, answer: before.stdout, intended: what.intended };
  const { hostId, hostKey, signingSeed } = target;
  // What is encrypted is no secret, nor is a signature, though they are made from some. As secrets they would hide scripts in previews: this
  // layer's, and the audit's, which holds the digests of all.
  const body = what.secret
    ? pulumi.unsecret(pulumi.all([hostKey, signingSeed, what.script]).apply((parts) => encrypt(...parts)))
    : what.script;
  const signed = pulumi.all([hostId, hostKey, what.act, body]).apply(([host, key, act, script]) => {
    const content = what.secret ? "age" : "plain";
    const make = (serial: number) =>
      message({ ...act, hostId: host, machine: machineOf(key), layer: what.layer, serial, content }, script);
    const isAnswered = (answer: string, request: string) => readAnswer(answer, key, request) !== undefined;
    const serial = chooseSerial(make, earlier, isAnswered, target.leastSerial);
    const text = make(serial);
    return { serial, text, digest: digest(text) };
  });
  const signature = pulumi.unsecret(pulumi.all([signingSeed, signed.text]).apply(([seed, text]) => sign(seed, text)));
  const sent = new command.remote.Command(
    name,
    {
      connection: connection(target, way, limit),
      create: "apply",
      stdin: pulumi.all([signed.text, signature]).apply(([text, proof]) => text + proof),
      triggers: [target.machineId],
      addPreviousOutputInEnv: false,
      // The answer is for the program. What the host says on the way is for who waits.
      logging: command.remote.Logging.Stderr,
    },
    { parent },
  );
  // By what was sent, not by what is to be sent: a run with --target leaves the rest as it was.
  const answer = pulumi.all([sent.stdin, sent.stdout, hostKey]).apply(([envelope = "", stdout, key]) => {
    const text = readAnswer(stdout, key, digest(signedPart(envelope)));
    if (text === undefined) {
      throw refusal(
        "the answer isn't signed by the host: it was cut, or something on that host or on the way answered in its place. Nothing of it " +
          "was used, and the next pulumi up sends this again. If it stays: docs/troubleshooting.md",
        sent,
      );
    }
    return text;
  });
  return { digest: signed.digest, serial: signed.serial, answer };
}

/** An error of this resource. */
function refusal(text: string, resource: pulumi.Resource): pulumi.ResourceError {
  const error = new pulumi.ResourceError(text, resource, true);
  // Nobody sees it, and Node.js 20 takes a minute to colour a frame such as node_modules/@pulumi/invoke.ts.
  delete error.stack;
  return error;
}

/**
 * One concern of a host: a script that is signed here and that the host runs as root, all or nothing.
 * An unchanged script gives an unchanged envelope, so nothing is sent.
 */
export class Layer extends pulumi.ComponentResource {
  /** Name of the layer, as the host knows it. */
  readonly layer: string;
  /** SHA-256 of the envelope's signed part, 64 hex digits. */
  readonly digest: pulumi.Output<string>;
  /** The envelope's serial: the host takes no lower one for this layer from now on. */
  readonly serial: pulumi.Output<number>;
  /** What the host said, verified. */
  readonly answer: pulumi.Output<string>;

  constructor(name: string, args: LayerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Layer", name, {}, opts);
    const { target, layer, script, secret = false } = args;
    this.layer = layer;
    const act: Act = { act: "apply" };
    const intended = target.before.layers.get(name);
    const sending = { target, way: target.now, limit: dialErrorLimit, layer, act, script, secret, intended };
    const sent = send(`${name}-apply`, sending, this);
    this.digest = sent.digest;
    this.serial = sent.serial;
    this.answer = sent.answer;
    // In the state before the host has it: the next run sees by it that this one may have come that far.
    this.registerOutputs({ digest: this.digest, serial: this.serial });
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
    const run = (act: "confirm" | "await", way: Endpoint, limit: number) => {
      const asks = pulumi.output(awaited).apply((of): Act => ({ act, digest: of }));
      send(`${name}-${act}`, { target, way, limit, layer, act: asks, script: "", secret: false }, this);
    };
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
  /**
   * @param args.joined - the layer by which the host joined: this envelope is the next one of that layer, so that whoever joins again has
   *   a newer one
   * @param args.script - what the host is to run then
   */
  constructor(
    name: string,
    { target, joined, script }: { readonly target: Target; readonly joined: Layer; readonly script: string },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:Leave", name, {}, opts);
    const { hostId, hostKey, signingSeed } = target;
    const envelope = pulumi.all([hostId, hostKey, signingSeed, joined.serial]).apply(([host, key, seed, serial]) => {
      const header = { hostId: host, machine: machineOf(key), layer: joined.layer, serial: serial + 1 };
      const text = message({ ...header, act: "apply", content: "plain" }, script);
      return text + sign(seed, text);
    });
    new command.remote.Command(
      `${name}-leave`,
      {
        connection: connection(target, target.now, dialErrorLimit),
        delete: "apply",
        stdin: pulumi.unsecret(envelope),
        triggers: [target.machineId],
        addPreviousOutputInEnv: false,
        logging: command.remote.Logging.Stderr,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/**
 * Brings today's receiver to a machine that knows only the first format of envelopes: one that the release before set up, or a
 * replacement that booted with that one's user_data. A machine that has it already answers so.
 */
export class Takeover extends pulumi.ComponentResource {
  constructor(
    name: string,
    { target, script }: { readonly target: Target; readonly script: string },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:Takeover", name, {}, opts);
    // Once is enough for a machine, and the receiver layer brings every change: so it stays the one that was sent first.
    const sent = target.before.commands.get(`${name}-takeover`)?.stdin;
    const envelope = pulumi.all([target.hostId, target.signingSeed]).apply(([host, seed]) => {
      const text = takeover(host, script);
      return sent ?? text + sign(seed, text);
    });
    new command.remote.Command(
      `${name}-takeover`,
      {
        connection: connection(target, target.now, dialErrorLimit),
        create: "apply",
        stdin: pulumi.unsecret(envelope),
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
    args: { readonly existing: ExistingInputs; readonly machineId: string; readonly script: pulumi.Input<string> },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:Bootstrap", name, {}, opts);
    const { address: host, port, user, privateKey, hostKey } = args.existing;
    const run = new command.remote.Command(
      `${name}-bootstrap`,
      {
        // Key by key, as in connection(): an unexpected one would be printed with the private key beside it.
        connection: {
          host,
          port,
          user,
          dialErrorLimit,
          perDialTimeout,
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
    const { target } = args;
    const contact = new command.remote.Command(
      `${name}-key`,
      {
        connection: connection(target, args.at, args.isOpen ? bootDialErrorLimit : dialErrorLimit),
        // Another machine in its place boots with the user_data of this one, so it is asked in the same way.
        create: target.before.commands.get(`${name}-key`)?.create ?? signedContact,
        triggers: [target.machineId],
        addPreviousOutputInEnv: false,
        logging: command.remote.Logging.Stderr,
      },
      // A later change of port or user is no reason to make contact again: only another machine is.
      { parent: this, ignoreChanges: ["connection"] },
    );
    this.hostKey = pulumi.unsecret(
      pulumi.all([contact.create, contact.stdout, target.hostKey]).apply(([asked, stdout, key]) => {
        const isSigned = asked !== unsignedContact || stdout.startsWith("monoclaw-answer ");
        const text = isSigned ? readAnswer(stdout, key, digest(unsignedContact))?.trimEnd() : stdout;
        if (text === undefined) {
          throw refusal(
            "the answer to the first contact isn't signed with the key that this connection was pinned to: something else on the new " +
              "host answered. Replace the machine: docs/troubleshooting.md",
            contact,
          );
        }
        return checkHostKey(text);
      }),
    );
    this.registerOutputs({ hostKey: this.hostKey });
  }

  /** True if the first contact of this name was with a machine that the release before had set up. */
  static isOld(name: string, { commands }: Before): boolean {
    return commands.get(`${name}-key`)?.create === unsignedContact;
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
