import * as crypto from "node:crypto";
import { sshsig } from "./keys";

/** Namespace of the envelope's signature: a signature made for another purpose is no good here, nor this one there. */
export const namespace = "monoclaw-layer";
/** Largest envelope that a host reads, in bytes; `receiver.sh` has the same number. */
export const maxEnvelopeBytes = 1024 * 1024;

/** What an envelope says about its script. */
export interface EnvelopeHeader {
  /** The one host that may apply it, as in that host's `/etc/monoclaw/host-id`. */
  readonly hostId: string;
  /** Name of the layer. */
  readonly layer: string;
  /** `monoclaw:generation`, an integer >= 1. A host refuses a lower one than the highest that it applied. */
  readonly generation: number;
}

/**
 * The signed part of an envelope: a header of fixed lines, an empty line, and the script.
 *
 * It is deterministic (no nonce, no clock): an unchanged layer gives the same bytes, so `pulumi up` sends nothing.
 *
 * @throws RangeError if a header value would break the format, or the whole would be refused as too large
 */
export function message(header: EnvelopeHeader, script: string): string {
  if (!/^[0-9a-f]{32}$/.test(header.hostId)) {
    throw new RangeError("a host id is 32 hex digits");
  }
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(header.layer)) {
    throw new RangeError(`layer name "${header.layer}" is not 1 to 32 of a-z, 0-9 and -`);
  }
  if (!Number.isSafeInteger(header.generation) || header.generation < 1 || header.generation > 999_999_999) {
    throw new RangeError(`generation ${String(header.generation)} is not an integer from 1 to 999999999`);
  }
  const length = Buffer.byteLength(script);
  if (length === 0 || length > maxEnvelopeBytes - 4096) {
    throw new RangeError(`layer ${header.layer}: a script of ${String(length)} bytes doesn't fit an envelope`);
  }
  return [
    "monoclaw-envelope 1",
    `host ${header.hostId}`,
    `layer ${header.layer}`,
    `generation ${String(header.generation)}`,
    `length ${String(length)}`,
    "",
    script,
  ].join("\n");
}

/** The signature that follows the message in an envelope. Not a secret, though the seed is. */
export function sign(signingSeedHex: string, text: string): string {
  return sshsig(signingSeedHex, namespace, Buffer.from(text));
}

/** SHA-256 of the signed part, as hex: how a host remembers and a confirmation names an envelope. */
export function digest(text: string): string {
  return crypto.createHash("sha256").update(text).digest("hex");
}

/** Id of the host that trusts this signing key: the first 128 bits of the public line's SHA-256, as hex. */
export function hostId(signingPublicKey: string): string {
  return digest(signingPublicKey.split(" ").slice(0, 2).join(" ")).slice(0, 32);
}
