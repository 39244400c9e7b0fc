import { sshsig } from "./keys";
import { sha256 } from "./sha256";

/** Namespace of the envelope's signature: a signature made for another purpose is no good here, nor this one there. */
export const namespace = "monoclaw-layer";
/** Largest envelope that a host reads, in bytes; `receiver.sh` has the same number. */
export const maxEnvelopeBytes = 1024 * 1024;
/** Largest serial: milliseconds far beyond our days, and exact both here and in the host's shell. */
const maxSerial = 999_999_999_999_999;

/** What an envelope asks for: to apply its script, or, for a change that waits, to confirm it or to wait until it is confirmed. */
export type Act = { readonly act: "apply" } | { readonly act: "confirm" | "await"; readonly digest: string };

/** What an envelope says about its script. */
export type EnvelopeHeader = Act & {
  /** The one host that may take it, as in that host's `/etc/monoclaw/host-id`. */
  readonly hostId: string;
  /** The one machine that may take it, see {@link machineOf}: a server that took this one's place is another. */
  readonly machine: string;
  /** Name of the layer. */
  readonly layer: string;
  /** An integer >= 1, higher than that of every envelope before it: a host takes no lower one. */
  readonly serial: number;
  /** `age`: the script is encrypted to the machine, see `age.ts`. */
  readonly content: "plain" | "age";
};

/**
 * The signed part of an envelope: a header of fixed lines, an empty line, and the script.
 *
 * The same header and script give the same bytes, so for an unchanged layer `pulumi up` sends nothing.
 *
 * @throws RangeError if a header value would break the format, or the whole would be refused as too large
 */
export function message(header: EnvelopeHeader, script: string): string {
  for (const [what, id] of [
    ["host", header.hostId],
    ["machine", header.machine],
  ] as const) {
    if (!/^[0-9a-f]{32}$/.test(id)) {
      throw new RangeError(`a ${what} id is 32 hex digits`);
    }
  }
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(header.layer)) {
    throw new RangeError(`layer name "${header.layer}" is not 1 to 32 of a-z, 0-9 and -`);
  }
  if (!Number.isSafeInteger(header.serial) || header.serial < 1 || header.serial > maxSerial) {
    throw new RangeError(`serial ${String(header.serial)} is not an integer from 1 to ${String(maxSerial)}`);
  }
  if (header.act !== "apply" && !/^[0-9a-f]{64}$/.test(header.digest)) {
    throw new RangeError("a digest is 64 hex digits");
  }
  const length = Buffer.byteLength(script);
  if (header.act === "apply" ? length === 0 || length > maxEnvelopeBytes - 4096 : length > 0) {
    throw new RangeError(`layer ${header.layer}: a script of ${String(length)} bytes doesn't fit an envelope`);
  }
  return [
    "monoclaw-envelope 2",
    `host ${header.hostId}`,
    `machine ${header.machine}`,
    `layer ${header.layer}`,
    `serial ${String(header.serial)}`,
    header.act === "apply" ? "act apply" : `act ${header.act} ${header.digest}`,
    `content ${header.content}`,
    `length ${String(length)}`,
    "",
    script,
  ].join("\n");
}

/** The signature that follows the message in an envelope. Not a secret, though the seed is. */
export function sign(signingSeedHex: string, text: string): string {
  return sshsig(signingSeedHex, namespace, Buffer.from(text));
}

/** The signed part of an envelope: all before the signature. */
export function signedPart(envelope: string): string {
  return envelope.slice(0, envelope.lastIndexOf("-----BEGIN SSH SIGNATURE-----"));
}

/** SHA-256 of the signed part, as hex: how a host remembers an envelope, and how an answer and a confirmation name it. */
export function digest(text: string): string {
  return sha256(text);
}

/** Id of the host that trusts this signing key: the first 128 bits of the public line's SHA-256, as hex. */
export function hostId(signingPublicKey: string): string {
  return keyId(signingPublicKey);
}

/** Id of the machine that has this SSH host key: the first 128 bits of the SHA-256 of its type and key, as hex. */
export function machineOf(hostKey: string): string {
  return keyId(hostKey);
}

function keyId(publicKey: string): string {
  return digest(publicKey.split(" ").slice(0, 2).join(" ")).slice(0, 32);
}

/** The envelope that a layer was to get last, whether or not it came that far. */
export interface Intended {
  /** SHA-256 of its signed part; empty if it is unknown. */
  readonly digest: string;
  /** 0 if it is unknown. */
  readonly serial: number;
}

/** An envelope that the stack sent before, as its state has it. */
export interface Earlier {
  /** The envelope. */
  readonly envelope: string;
  /** What was said to be the host's answer. */
  readonly answer: string;
  /** The envelope that was to be sent last, if that is known; a run that failed may have sent another one than `envelope`. */
  readonly intended?: Intended | undefined;
}

/**
 * The serial for an envelope: that of the earlier one if nothing else differs, no other was to be sent since, and the host's answer
 * to it is real, so that nothing is sent; else a higher one. It is the time, in milliseconds, so that it is also higher than those of a state that
 * was lost; a clock that was set back does no harm while the state is there.
 *
 * @param make - the envelope's signed part with this serial
 * @param isAnswered - true if the answer is the host's own to the envelope with this digest
 * @param least - the lowest serial that may stay or be taken
 */
export function chooseSerial(
  make: (serial: number) => string,
  earlier: Earlier | undefined,
  isAnswered: (answer: string, request: string) => boolean,
  least: number,
): number {
  const before = Number(/^serial (\d{1,15})$/m.exec(earlier?.envelope.slice(0, 512) ?? "")?.[1] ?? 0);
  if (earlier !== undefined && before > 0 && before >= least) {
    const text = make(before);
    const request = digest(text);
    const isLast = earlier.intended === undefined || earlier.intended.digest === request;
    if (isLast && earlier.envelope.startsWith(text) && isAnswered(earlier.answer, request)) {
      return before;
    }
  }
  return Math.max(Date.now(), before + 1, (earlier?.intended?.serial ?? 0) + 1, least);
}

/**
 * The last envelope of the format before this one, for a host whose tools know no other: it brings the receiver of today. A host
 * that has that already says so and applies nothing.
 */
export function takeover(hostIdHex: string, script: string): string {
  const length = Buffer.byteLength(script);
  return [
    "monoclaw-envelope 1",
    `host ${hostIdHex}`,
    "layer receiver",
    "generation 999999999",
    `length ${String(length)}`,
    "",
    script,
  ].join("\n");
}
