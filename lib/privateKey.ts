/** How OpenSSH's own format begins (PROTOCOL.key, section 1). */
const magic = "openssh-key-v1\0";

/**
 * Checks the text of a private key file: one that an SSH client can use without asking for anything.
 *
 * @returns what is wrong with it, or `undefined` if it is fine; nothing of the key is in it
 */
export function checkPrivateKey(text: string): string | undefined {
  const found = /^-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----\r?\n([^]+?)-----END \1-----\s*$/.exec(text.trim());
  if (found?.[2] === undefined) {
    return text.includes("PUBLIC KEY") || /^(ssh|ecdsa|sk)-/.test(text)
      ? "is a public key; the private one is needed, from the file without .pub"
      : "is not a whole private key: from the BEGIN line to the END line";
  }
  const [, label, body] = found;
  const blob = Buffer.from(body.replace(/\s/g, ""), "base64");
  const isOpenssh = label === "OPENSSH PRIVATE KEY";
  if (isOpenssh && blob.subarray(0, magic.length).toString("latin1") !== magic) {
    return "is damaged: it is not what its first line says";
  }
  // The first string after the magic is the cipher's name.
  const isLocked = isOpenssh
    ? blob.subarray(magic.length + 4, magic.length + 8).toString("latin1") !== "none"
    : label === "ENCRYPTED PRIVATE KEY" || body.includes("Proc-Type: 4,ENCRYPTED");
  return isLocked ? "is protected by a passphrase; load it into the SSH agent (ssh-add) instead" : undefined;
}
