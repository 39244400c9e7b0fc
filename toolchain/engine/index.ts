import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { backendFolder, envFile, passphraseFile, pulumiHome, stateFolder } from "../paths";
import { ensurePrivate } from "../secrets";
import { ensureBundles } from "./bundles";
import { downloadOfficial, downloadedOfficial, findOfficial } from "./official";
import { ensureSourceBuild, hasSourceBuild } from "./source";

/** A Pulumi engine that is ready to run. */
export interface Engine {
  /** Variables to run `pulumi` with, beside the ones that are set already. */
  variables: Record<string, string>;
  /** Folder to put in front of PATH; none if an official Pulumi is on PATH. */
  bin: string | undefined;
  /** One line that says which engine it is. */
  description: string;
}

/**
 * Finds, downloads or builds an engine: an official Pulumi on PATH; the pinned official one; else the CLI built from source beside a
 * language host and stand-in plugins.
 */
export async function ensureEngine(): Promise<Engine> {
  for (const folder of [stateFolder, backendFolder]) await ensurePrivate(folder);
  const engine = await locate();
  await writeEnvFile(engine);
  return engine;
}

async function locate(): Promise<Engine> {
  const installed = await findOfficial();
  if (installed !== undefined) return describe(`official Pulumi v${installed.version}`, undefined);
  const official = downloadedOfficial() ?? (hasSourceBuild() ? undefined : await tryDownload());
  if (official !== undefined) return describe(`official Pulumi v${official.version}`, official.bin);
  const [source, bundles] = [await ensureSourceBuild(), await ensureBundles()];
  const links = bundles.map(({ path, file }) => [join(pulumiHome, path), file] as const);
  for (const [link, target] of [...links, [join(pulumiHome, "bin/pulumi"), join(source.bin, "pulumi")] as const]) {
    await pointTo(link, target);
  }
  await keepNoLogs(pulumiHome);
  const engine = describe(`Pulumi ${source.version} from source with stand-in plugins`, join(pulumiHome, "bin"));
  return { ...engine, variables: { PULUMI_HOME: pulumiHome, ...engine.variables } };
}

/**
 * The CLI logs all that it does, for its makers to read: half of its processor time, and megabytes for each run. It goes without where it
 * can't make the folder, and has no setting for that; `pulumi --logtostderr -v=9` still works.
 */
export async function keepNoLogs(home: string): Promise<void> {
  const logs = join(home, "logs");
  if (statSync(logs, { throwIfNoEntry: false })?.isFile() === true) return;
  await rm(logs, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await writeFile(logs, "In the place of a folder, so that the engine writes no logs.\n");
}

async function tryDownload(): Promise<{ bin: string; version: string } | undefined> {
  try {
    return await downloadOfficial();
  } catch (error) {
    const reason = (error as Error).message.trim().split("\n").pop() ?? "";
    process.stderr.write(`no official Pulumi here (${reason}): building it from source instead\n`);
    return undefined;
  }
}

function describe(description: string, bin: string | undefined): Engine {
  const variables = {
    PULUMI_BACKEND_URL: `file://${backendFolder}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile,
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  return { variables, bin, description };
}

/** Makes a symbolic link, or turns one that points elsewhere. */
async function pointTo(link: string, target: string): Promise<void> {
  if ((await readlink(link).catch(() => undefined)) === target) return;
  await mkdir(dirname(link), { recursive: true });
  await rm(link, { force: true });
  await symlink(target, link);
}

/** The environment of a `pulumi` that is started from here. */
export function environment(engine: Engine): NodeJS.ProcessEnv {
  const path = process.env["PATH"] ?? "";
  return {
    ...process.env,
    ...engine.variables,
    ...(engine.bin !== undefined && { PATH: engine.bin + delimiter + path }),
  };
}

async function writeEnvFile(engine: Engine): Promise<void> {
  const lines = Object.entries(engine.variables).map(([name, value]) => `export ${name}=${quote(value)}`);
  if (engine.bin !== undefined) lines.unshift(`export PATH=${quote(engine.bin)}:"$PATH"`);
  const text = ["# Puts this checkout's Pulumi engine into a shell; written by toolchain/run.", ...lines, ""].join(
    "\n",
  );
  if (existsSync(envFile) && readFileSync(envFile, "utf8") === text) return;
  await writeFile(envFile, text);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
