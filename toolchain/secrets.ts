import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { operatorKeyFile, passphraseFile, stateFolder } from "./paths";
import { run } from "./process";

/** Makes the passphrase that encrypts the secrets of this checkout's stacks, once. */
export async function ensurePassphrase(): Promise<void> {
  if (existsSync(passphraseFile)) return;
  await mkdir(stateFolder, { recursive: true });
  await writeFile(passphraseFile, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
}

/** Makes the SSH key pair of the lab's operator, once. */
export async function ensureOperatorKey(): Promise<void> {
  if (existsSync(operatorKeyFile)) return;
  await mkdir(stateFolder, { recursive: true });
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "lab-operator", "-f", operatorKeyFile]);
}
