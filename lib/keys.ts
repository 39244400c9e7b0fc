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
/** SPKI prefix of an Ed25519 public key (RFC 8410, section 4); its 32 bytes follow. */
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");
/** The hash of every signature here; ssh-keygen's default. */
const hash = "sha512";

/**
 * Derives the key pair of a seed. The same seed gives the same bytes always, so a preview shows no change.
 *
 * @param seedHex - 32 bytes as 64 hex digits
 * @param comment - what follows the key in its public line
 * @throws RangeError if the seed has another length
 */
export function sshKeyPair(seedHex: string, comment: string): SshKeyPair {
  const { seed, blob } = keyOf(seedHex);
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
  const { object, blob } = keyOf(seedHex);
  const signature = crypto.sign(null, signedBytes(namespace, message), object);
  return armor("SSH SIGNATURE", signatureBlob(blob, namespace, signature));
}

/**
 * Checks a signature as `ssh-keygen -Y verify` does, for one Ed25519 key. Nothing may stand beside the signature.
 *
 * @param publicKey - type and key
 * @param signature - as {@link sshsig} or `ssh-keygen -Y sign` makes it; its last line break may be missing
 */
export function verifySshsig(publicKey: string, namespace: string, message: Buffer, signature: string): boolean {
  const blob = ed25519Blob(publicKey);
  const [, base64 = ""] =
    /^-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/=]{1,70}\n)+)-----END SSH SIGNATURE-----\n?$/.exec(signature) ??
    [];
  const body = Buffer.from(base64, "base64");
  const raw = body.subarray(-64);
  // All but these 64 bytes at the end is known beforehand.
  if (raw.length !== 64 || !body.equals(signatureBlob(blob, namespace, raw))) {
    return false;
  }
  const spki = Buffer.concat([spkiPrefix, blob.subarray(-32)]);
  const key = crypto.createPublicKey({ key: spki, format: "der", type: "spki" });
  return crypto.verify(null, signedBytes(namespace, message), key, raw);
}

/** A signature without its armour (PROTOCOL.sshsig, section 2). */
function signatureBlob(keyBlob: Buffer, namespace: string, signature: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from("SSHSIG"),
    uint32(1),
    str(keyBlob),
    str(namespace),
    str(""),
    str(hash),
    str(Buffer.concat([str(algorithm), str(signature)])),
  ]);
}

/** What is really signed (PROTOCOL.sshsig, section 3). */
function signedBytes(namespace: string, message: Buffer): Buffer {
  const digest = crypto.createHash(hash).update(message).digest();
  return Buffer.concat([Buffer.from("SSHSIG"), str(namespace), str(""), str(hash), str(digest)]);
}

/**
 * The key of a public line in SSH's wire format.
 *
 * @throws RangeError if it is no Ed25519 key
 */
export function ed25519Blob(publicKey: string): Buffer {
  const blob = Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
  const prefix = Buffer.concat([str(algorithm), uint32(32)]);
  if (blob.length !== prefix.length + 32 || !blob.subarray(0, prefix.length).equals(prefix)) {
    throw new RangeError("that is no Ed25519 key");
  }
  return blob;
}

/** A seed's key, ready to sign: to make it takes a millisecond or two, and one key signs all layers of a host. */
interface Key {
  readonly seed: Buffer;
  readonly object: crypto.KeyObject;
  /** The public key in SSH's wire format (RFC 8709, section 4). */
  readonly blob: Buffer;
}

const keys = new Map<string, Key>();

/** @throws RangeError if the seed has another length */
function keyOf(seedHex: string): Key {
  const known = keys.get(seedHex);
  if (known !== undefined) {
    return known;
  }
  if (!/^[0-9a-f]{64}$/.test(seedHex)) {
    throw new RangeError("a key's seed is 32 bytes, written as 64 hex digits");
  }
  const seed = Buffer.from(seedHex, "hex");
  const object = crypto.createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
  const spki = crypto.createPublicKey(object).export({ format: "der", type: "spki" });
  const key = { seed, object, blob: Buffer.concat([str(algorithm), str(spki.subarray(-32))]) };
  keys.set(seedHex, key);
  return key;
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
