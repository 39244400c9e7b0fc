import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { encrypt } from "../lib/age";
import { readAnswer } from "../lib/answer";
import { type Act, chooseSerial, digest, type Intended, machineOf, message, sign, signedPart } from "../lib/envelope";
import type { Before } from "./before";

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

/**
 * How long to try to connect: more than a blink, for sshd reloads, but not so often that fail2ban takes the
 * operator for an attacker.
 */
export const dialErrorLimit = 3;
/** Seconds for one attempt to connect. */
export const perDialTimeout = 10;

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
export function send(name: string, { target, way, limit, ...what }: Sending, parent: pulumi.Resource): Sent {
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
export function refusal(text: string, resource: pulumi.Resource): pulumi.ResourceError {
  const error = new pulumi.ResourceError(text, resource, true);
  // Nobody sees it, and Node.js 20 takes a minute to colour a frame such as node_modules/@pulumi/invoke.ts.
  delete error.stack;
  return error;
}

/** The connection's keys one by one: an unexpected key would be printed with the private key beside it. */
export function connection(
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
