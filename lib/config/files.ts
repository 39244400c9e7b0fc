import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { checkPrivateKey } from "../privateKey";
import { checkPublicKey } from "../publicKey";
import { type Mistakes, pathOf, setCommand } from "./mistakes";

// Values that may stand in a file, of which the configuration has the path.

/** The text of a file, or what is wrong with its path. It starts from the project's folder, or with `~/`. */
function read(mistakes: Mistakes, name: string): { readonly text: string } | { readonly reason: string } {
  const file = path.resolve(mistakes.root, name.replace(/^~(?=\/)/, os.homedir()));
  try {
    return { text: fs.readFileSync(file, "utf8").trim() };
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return { reason: reasons[code] ?? `can't be read (${code})` };
  }
}

const noFile = "there is no such file";
const reasons: Readonly<Record<string, string>> = {
  ENOENT: noFile,
  ERR_INVALID_ARG_VALUE: noFile, // a NUL in its name
  EISDIR: "is the path of a folder",
};

/** The operator's public key, as a shell takes it. */
export const ownPublicKey = '"$(cat ~/.ssh/id_ed25519.pub)"';

/** A public key line, or the path of its file, as a line. */
export function publicKey(mistakes: Mistakes, place: string, value: string): string | undefined {
  const entry = value.trim();
  const isPath = entry.endsWith(".pub") && !entry.startsWith("ssh-");
  const found = isPath ? read(mistakes, entry) : { text: entry };
  if ("reason" in found) {
    const make = `ssh-keygen -t ed25519 -f ${entry.slice(0, -4)}`;
    mistakes.add(place, value, found.reason, found.reason === noFile ? make : setCommand(place, ownPublicKey));
    return undefined;
  }
  const line = found.text;
  const reason = checkPublicKey(line);
  if (reason !== undefined) {
    mistakes.add(place, value, reason, setCommand(place, ownPublicKey));
    return undefined;
  }
  return line;
}

/** The key with which a machine answers, as a shell takes it. */
export function hostKeyOf(address: string): string {
  return `"$(ssh-keyscan -t ed25519 ${address} | cut -d' ' -f2-)"`;
}

/** A private key, or the path of its file, as text. It is never part of what a mistake says. */
export function privateKey(mistakes: Mistakes, place: string, value: string): string | undefined {
  const isText = value.includes("-----BEGIN");
  const found = isText ? { text: value } : read(mistakes, value);
  if ("reason" in found) {
    // Not its name: it may be half a key.
    mistakes.add(place, "…", `${found.reason}; once the stack is up it isn't needed any more`);
    return undefined;
  }
  if (isText && mistakes.isInClear(place)) {
    const reason = "stands in clear in the stack's configuration file; encrypt it, or give the path of the key's file";
    mistakes.add(
      place,
      "…",
      reason,
      `pulumi config set --secret --path ${pathOf(place)} -- "$(cat ~/.ssh/id_ed25519)"`,
    );
  }
  const reason = checkPrivateKey(found.text);
  if (reason !== undefined) {
    mistakes.add(place, "…", reason);
    return undefined;
  }
  return `${found.text.trim()}\n`;
}

/** A SHA-256 in hex digits, or the one that a file begins with. */
export function sha256(mistakes: Mistakes, place: string, value: string): string | undefined {
  const isHash = (text: string) => /^[0-9a-f]{64}$/.test(text);
  if (isHash(value)) {
    return value;
  }
  const found = read(mistakes, value);
  if ("reason" in found) {
    mistakes.add(place, value, `is no SHA-256 in 64 hex digits, and as a path: ${found.reason}`);
    return undefined;
  }
  const [first = ""] = found.text.split(/\s/);
  if (!isHash(first)) {
    mistakes.add(place, value, "is a file that does not begin with a SHA-256 in 64 hex digits");
    return undefined;
  }
  return first;
}
