import * as crypto from "node:crypto";

/** An Ed25519 key pair in the forms that OpenSSH reads. */
export interface SshKeyPair {
  /** `ssh-ed25519 AAAA… comment`, one line without a line break. */
  readonly publicKey: string;
  /** OpenSSH private key file, unencrypted. Secret. */
  readonly privateKey: string;
}

const algorithm = "ssh-ed25519";
/** PKCS #8 prefix of an Ed25519 private key (RFC 8410, section 7); the 32-byte seed follows. */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * Derives the key pair of a seed. The same seed gives the same bytes always, so a preview shows no change.
 *
 * @param seedHex - 32 bytes as 64 hex digits
 * @param comment - what follows the key in its public line
 * @throws RangeError if the seed has another length
 */
export function sshKeyPair(seedHex: string, comment: string): SshKeyPair {
  const seed = parseSeed(seedHex);
  const blob = publicBlob(seed);
  const pub = blob.subarray(blob.length - 32);
  // OpenSSH wants two equal check words that differ between keys, not random ones: PROTOCOL.key, section 3.
  const check = crypto.createHash("sha256").update(pub).digest().subarray(0, 4);
  const unpadded = Buffer.concat([
    check,
    check,
    str(algorithm),
    str(pub),
    str(Buffer.concat([seed, pub])),
    str(comment),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (unpadded.length % 8)) % 8 }, (_, i) => i + 1));
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    str("none"),
    str("none"),
    str(""),
    uint32(1),
    str(blob),
    str(Buffer.concat([unpadded, padding])),
  ]);
  return {
    publicKey: `${algorithm} ${blob.toString("base64")} ${comment}`,
    privateKey: armor("OPENSSH PRIVATE KEY", file),
  };
}

/**
 * Signs a message as `ssh-keygen -Y sign` does (PROTOCOL.sshsig). Ed25519 is deterministic, so the same message
 * and seed give the same signature.
 *
 * @param namespace - the signature's purpose; the verifier must name the same
 */
export function sshsig(seedHex: string, namespace: string, message: Buffer): string {
  const seed = parseSeed(seedHex);
  const hash = "sha512";
  const digest = crypto.createHash(hash).update(message).digest();
  const signed = Buffer.concat([Buffer.from("SSHSIG"), str(namespace), str(""), str(hash), str(digest)]);
  const signature = crypto.sign(null, signed, privateKeyObject(seed));
  const body = Buffer.concat([
    Buffer.from("SSHSIG"),
    uint32(1),
    str(publicBlob(seed)),
    str(namespace),
    str(""),
    str(hash),
    str(Buffer.concat([str(algorithm), str(signature)])),
  ]);
  return armor("SSH SIGNATURE", body);
}

function parseSeed(seedHex: string): Buffer {
  if (!/^[0-9a-f]{64}$/.test(seedHex)) {
    throw new RangeError("a key's seed is 32 bytes, written as 64 hex digits");
  }
  return Buffer.from(seedHex, "hex");
}

function privateKeyObject(seed: Buffer): crypto.KeyObject {
  return crypto.createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
}

/** The public key in SSH's wire format (RFC 8709, section 4). */
function publicBlob(seed: Buffer): Buffer {
  const spki = crypto.createPublicKey(privateKeyObject(seed)).export({ format: "der", type: "spki" });
  return Buffer.concat([str(algorithm), str(spki.subarray(spki.length - 32))]);
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

/** A string of SSH's wire format: its length, then its bytes (RFC 4251, section 5). */
function str(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function armor(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,70}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
