import * as crypto from "node:crypto";
import { ed25519Blob } from "./keys";

/** Bytes of a chunk, each sealed by itself. */
const chunkBytes = 64 * 1024;
const label = "age-encryption.org/v1/ssh-ed25519";
/** PKCS #8 prefix of an X25519 private key and SPKI prefix of a public one (RFC 8410); the 32 bytes of the key follow. */
const pkcs8Prefix = Buffer.from("302e020100300506032b656e04220420", "hex");
const spkiPrefix = Buffer.from("302a300506032b656e032100", "hex");
/** The field of Curve25519. */
const prime = 2n ** 255n - 19n;

/**
 * Encrypts a text to an SSH host key, as `age -R` does; on the host `age -d -i /etc/ssh/ssh_host_ed25519_key` reads it.
 *
 * Unlike age itself it draws nothing at random: what must be unpredictable comes from a secret of the stack, the key and the
 * text. So the same text gives the same bytes, and a preview shows no change. No library offers that.
 * Format: age-encryption.org/v1; the recipient type `ssh-ed25519` is that of age's package agessh.
 *
 * @param hostKey - public Ed25519 key: type and key
 * @param secretHex - 256 bits of the stack's, as hex
 * @returns the encrypted file in its text form (armor)
 */
export function encrypt(hostKey: string, secretHex: string, text: string): string {
  const plain = Buffer.from(text);
  const secret = Buffer.from(secretHex, "hex");
  const root = crypto.createHmac("sha512", secret).update(`monoclaw-age\0${hostKey}\0`).update(plain).digest();
  const fileKey = hkdf(root, Buffer.alloc(0), "file key", 16);
  const nonce = hkdf(root, Buffer.alloc(0), "nonce", 16);
  const ephemeral = hkdf(root, Buffer.alloc(0), "ephemeral key", 32);

  const header = `age-encryption.org/v1\n${stanza(hostKey, ephemeral, fileKey)}---`;
  const mac = crypto
    .createHmac("sha256", hkdf(fileKey, Buffer.alloc(0), "header", 32))
    .update(header)
    .digest();
  const file = Buffer.concat([Buffer.from(`${header} ${base64(mac)}\n`), nonce, payload(fileKey, nonce, plain)]);
  const lines = file.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN AGE ENCRYPTED FILE-----", ...lines, "-----END AGE ENCRYPTED FILE-----", ""].join("\n");
}

/** The file key, wrapped for this recipient. */
function stanza(hostKey: string, ephemeral: Buffer, fileKey: Buffer): string {
  const blob = ed25519Blob(hostKey);
  const theirs = montgomery(blob.subarray(-32));
  const ours = x25519Public(ephemeral);
  const tweak = hkdf(Buffer.alloc(0), blob, label, 32);
  const shared = x25519(tweak, x25519(ephemeral, theirs));
  const wrapped = seal(hkdf(shared, Buffer.concat([ours, theirs]), label, 32), Buffer.alloc(12), fileKey);
  const tag = crypto.createHash("sha256").update(blob).digest().subarray(0, 4);
  return `-> ssh-ed25519 ${base64(tag)} ${base64(ours)}\n${base64(wrapped)}\n`;
}

function payload(fileKey: Buffer, nonce: Buffer, plain: Buffer): Buffer {
  const key = hkdf(fileKey, nonce, "payload", 32);
  const count = Math.max(1, Math.ceil(plain.length / chunkBytes));
  return Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const counter = Buffer.alloc(12);
      counter.writeUInt32BE(index, 7);
      counter[11] = index === count - 1 ? 1 : 0;
      return seal(key, counter, plain.subarray(index * chunkBytes, (index + 1) * chunkBytes));
    }),
  );
}

/** ChaCha20-Poly1305 (RFC 8439): the ciphertext and its tag. */
function seal(key: Buffer, nonce: Buffer, plain: Buffer): Buffer {
  const cipher = crypto.createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function hkdf(key: Buffer, salt: Buffer, info: string, bytes: number): Buffer {
  return Buffer.from(crypto.hkdfSync("sha256", key, salt, info, bytes));
}

/** X25519 (RFC 7748, section 5). */
function x25519(scalar: Buffer, point: Buffer): Buffer {
  const publicKey = crypto.createPublicKey({ key: Buffer.concat([spkiPrefix, point]), format: "der", type: "spki" });
  return crypto.diffieHellman({ privateKey: privateKey(scalar), publicKey });
}

function x25519Public(scalar: Buffer): Buffer {
  return crypto.createPublicKey(privateKey(scalar)).export({ format: "der", type: "spki" }).subarray(-32);
}

function privateKey(scalar: Buffer): crypto.KeyObject {
  return crypto.createPrivateKey({ key: Buffer.concat([pkcs8Prefix, scalar]), format: "der", type: "pkcs8" });
}

/** The point of an Ed25519 key on Curve25519: u = (1 + y) / (1 - y) (RFC 7748, section 4.1). */
function montgomery(ed25519: Buffer): Buffer {
  const y = BigInt(`0x${Buffer.from(ed25519).reverse().toString("hex")}`) & (2n ** 255n - 1n);
  const u = ((1n + y) * inverse((1n - y + prime) % prime)) % prime;
  return Buffer.from(u.toString(16).padStart(64, "0"), "hex").reverse();
}

/** By Fermat: value ** (prime - 2). */
function inverse(value: bigint): bigint {
  let [result, base] = [1n, value];
  for (let exponent = prime - 2n; exponent > 0n; exponent >>= 1n) {
    result = (exponent & 1n) === 1n ? (result * base) % prime : result;
    base = (base * base) % prime;
  }
  return result;
}

/** Base64 without padding. */
function base64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
