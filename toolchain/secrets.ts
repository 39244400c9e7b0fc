import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { operatorKeyFile, passphraseFile, stateFolder } from "./paths";
import { run } from "./process";

/** Makes a folder that nobody else may look into; one that others may is closed. */
export async function ensurePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
}

/** Makes the passphrase that encrypts the secrets of this checkout's stacks, once. */
export async function ensurePassphrase(): Promise<void> {
  await ensurePrivate(stateFolder);
  if (existsSync(passphraseFile)) return;
  await writeFile(passphraseFile, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
}

/** Makes the SSH key pair of the lab's operator, once. */
export async function ensureOperatorKey(): Promise<void> {
  await ensurePrivate(stateFolder);
  if (existsSync(operatorKeyFile)) return;
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "lab-operator", "-f", operatorKeyFile]);
}
