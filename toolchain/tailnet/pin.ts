import { readdirSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { StepError } from "../report";
import { tailnetFolder } from ".";

/** Puts the SHA-256 of the archive that was built where the dev stack looks for it, whatever version and architecture it is of. */
export async function pinArchive(): Promise<void> {
  const folder = join(tailnetFolder, "tailscale");
  const name = readdirSync(folder).find((candidate) => candidate.endsWith(".tgz.sha256"));
  if (name === undefined)
    throw new StepError(`${folder} holds no archive of Tailscale: remove what it links to, and try again`);
  await copyFile(join(folder, name), join(tailnetFolder, "archive.sha256"));
}
