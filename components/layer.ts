import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type Act, machineOf, message, sign, takeover } from "../lib/envelope";
import { connection, dialErrorLimit, type Endpoint, send, type Target } from "./connection";

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

/** Attempts to get in by a new way, while the host may be applying the change again: 11 s if it refuses, 2 min if it is silent. */
const newWayDialErrorLimit = 10;

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
