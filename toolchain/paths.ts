import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** This checkout. */
export const root = resolve(__dirname, "..");

/** What a stack and a lab of this checkout leave; git-ignored. */
export const stateFolder = join(root, ".state");

/** Heavy things that all checkouts share, each in a folder named after a hash of its inputs. */
export const cacheFolder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "monoclaw");

/** Pulumi's home for the engine built here: links into the cache, and what Pulumi itself writes. */
export const pulumiHome = join(stateFolder, "pulumi-home");

/** Folder of the stack's state files. */
export const backendFolder = join(stateFolder, "pulumi");

/** The generated passphrase of this checkout's stacks. */
export const passphraseFile = join(stateFolder, "passphrase");

/** The lab operator's SSH key. */
export const operatorKeyFile = join(stateFolder, "operator_ed25519");

/** The file that puts the engine into a shell. */
export const envFile = join(stateFolder, "env.sh");
