/** Fewest bits of an RSA key (requirements: People's keys). */
const minRsaBits = 4096;

/**
 * Checks one line of an `authorized_keys` file: Ed25519 (hardware-backed too) or RSA of 4096 bits or more.
 *
 * @returns what is wrong with it, or `undefined` if it is fine
 */
export function checkPublicKey(line: string): string | undefined {
  const [type, base64] = line.split(/\s+/);
  if (line.includes("\n")) {
    return "is more than one line; list each key on its own";
  }
  if (line.includes("PRIVATE KEY")) {
    return "is a private key; give the .pub file, and consider this private key as lost";
  }
  if (type === undefined || base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    return "is not a public key line such as 'ssh-ed25519 AAAA… me@laptop' (options before the key are not supported)";
  }
  const fields = wireStrings(Buffer.from(base64, "base64"));
  if (fields?.[0]?.toString("latin1") !== type) {
    return "is damaged: the key doesn't hold what its first word says";
  }
  switch (type) {
    case "ssh-ed25519":
      return fields[1]?.length === 32 ? undefined : "is damaged: an Ed25519 key has 32 bytes";
    case "sk-ssh-ed25519@openssh.com":
      return undefined;
    case "ssh-rsa": {
      const bits = bitLength(fields[2] ?? Buffer.alloc(0));
      return bits >= minRsaBits
        ? undefined
        : `is RSA with ${String(bits)} bits; use Ed25519, or RSA with ${String(minRsaBits)} or more`;
    }
    default:
      return `is of type ${type}; use Ed25519, or RSA with ${String(minRsaBits)} bits or more`;
  }
}

/** Splits a key in SSH's wire format into its strings (RFC 4251, section 5); `undefined` if it ends within one. */
function wireStrings(blob: Buffer): Buffer[] | undefined {
  const strings: Buffer[] = [];
  for (let at = 0; at < blob.length;) {
    if (at + 4 > blob.length) {
      return undefined;
    }
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) {
      return undefined;
    }
    strings.push(blob.subarray(at + 4, end));
    at = end;
  }
  return strings;
}

function bitLength(integer: Buffer): number {
  const first = integer.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (integer.length - first) * 8 - Math.clz32(integer[first] ?? 0) + 24;
}
