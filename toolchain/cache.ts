import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { cacheFolder, root } from "./paths";

/** Hash of files, folders (all files in them) and texts, in this order: short, for a folder's name. */
export function fingerprint(paths: readonly string[], texts: readonly string[] = []): string {
  const hash = createHash("sha256");
  const add = (path: string): void => {
    const content = readFileSync(path);
    hash.update(`${relative(root, path)}\0${String(content.length)}\0`).update(content);
  };
  for (const path of paths) {
    if (!isFolder(path)) add(path);
    else for (const file of filesUnder(path)) add(file);
  }
  for (const text of texts) hash.update(`${String(text.length)}\0${text}`);
  return hash.digest("hex").slice(0, 16);
}

function isFolder(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return false;
    throw error;
  }
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)]));
}

/** Where something with this name and fingerprint is kept. */
export function cached(name: string, hash: string): string {
  return join(cacheFolder, `${name}-${hash}`);
}

/**
 * Fills a folder of the cache, all or nothing: it is built under another name and renamed. Of two processes that build the same one the first
 * wins; what a killed one left is removed.
 */
export async function fill(target: string, build: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return;
  await mkdir(dirname(target), { recursive: true });
  await removeLeftovers();
  const partial = `${target}.partial-${String(process.pid)}`;
  await mkdir(partial);
  try {
    await build(partial);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
}

/**
 * Runs a check, unless the last content that passed it is the one that is there now. What changes while it runs isn't taken for what passed.
 *
 * @param file keeps the hash of that content
 * @param hash of all that the check looks at
 * @returns the check's exit code; undefined if it wasn't run, since it has passed
 */
export async function unlessPassed(
  file: string,
  hash: () => Promise<string>,
  check: () => Promise<number>,
): Promise<number | undefined> {
  const before = await hash();
  if (existsSync(file) && readFileSync(file, "utf8") === before) return undefined;
  const code = await check();
  if (code === 0 && (await hash()) === before) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, before);
  }
  return code;
}

async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    const pid = /\.partial-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      await rm(join(cacheFolder, name), { recursive: true, force: true });
    }
  }
}
