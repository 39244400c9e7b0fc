import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cached, fill, fingerprint } from "../cache";
import { buildGo, GO_FLAGS, moduleFiles, requiredVersion, requireGo, type GoProgram } from "../golang";
import { stateFolder } from "../paths";
import { run } from "../process";
import { step } from "../report";

const HEADSCALE = join(__dirname, "headscale");
const TAILSCALE = join(__dirname, "tailscaled");

/** The folder where the lab finds the programs of its tailnet. */
export const tailnetFolder = join(stateFolder, "tailnet");

/**
 * Builds what the lab's tailnet consists of, once per machine: headscale (the control server) with the judge of policies, derper (the relay),
 * and Tailscale itself as an archive in the form of the official one. All come from the Go module proxy, at the versions in go.mod.
 *
 * @throws StepError if it can't be built
 */
export async function ensureTailnet(): Promise<void> {
  await point("headscale", await ensure("headscale", HEADSCALE, "github.com/juanfont/headscale", headscalePrograms));
  await point("tailscale", await ensure("tailscale", TAILSCALE, "tailscale.com", tailscalePrograms, pack));
}

type Programs = (folder: string, version: string) => readonly GoProgram[];

function headscalePrograms(folder: string): readonly GoProgram[] {
  return [
    { package: "github.com/juanfont/headscale/cmd/headscale", output: join(folder, "headscale") },
    { package: "./policycheck", output: join(folder, "policycheck") },
  ];
}

function tailscalePrograms(folder: string, version: string): readonly GoProgram[] {
  const number = version.replace(/^v/, "");
  const stamp = ["shortStamp", "longStamp"].map((name) => `-X tailscale.com/version.${name}=${number}`);
  return [
    {
      package: "tailscale.com/cmd/tailscaled",
      output: join(folder, "tailscaled"),
      // The daemon and its command line in one: the name that it is called by decides.
      tags: "ts_include_cli",
      link: stamp.join(" "),
    },
    { package: "tailscale.com/cmd/derper", output: join(folder, "derper") },
  ];
}

/** Builds a module's programs into the cache; `finish` adds to them. */
async function ensure(
  name: string,
  module: string,
  dependency: string,
  programs: Programs,
  finish?: (folder: string, version: string) => Promise<void>,
): Promise<string> {
  const version = requiredVersion(module, dependency);
  const own = join(module, "policycheck");
  const inputs = [...moduleFiles(module), ...(existsSync(own) ? [own] : []), __filename];
  const folder = cached(name, fingerprint(inputs, [process.platform, process.arch, ...GO_FLAGS]));
  if (!existsSync(folder)) {
    await step(`${name} ${version}: build from source (a minute or two, once per machine)`, async (progress) => {
      await requireGo(module);
      await fill(folder, async (partial) => {
        for (const program of programs(partial, version)) await buildGo(module, program, progress);
        await finish?.(partial, version);
      });
    });
  }
  return folder;
}

/** Makes the archive that hosts install Tailscale from, like the official `tailscale_1.98.4_amd64.tgz`, and its SHA-256 beside it. */
async function pack(folder: string, version: string): Promise<void> {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const name = `tailscale_${version.replace(/^v/, "")}_${architecture}`;
  const content = join(folder, name);
  await mkdir(content);
  for (const program of ["tailscale", "tailscaled"]) await copyFile(join(folder, "tailscaled"), join(content, program));
  const same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  const archive = join(folder, `${name}.tgz`);
  await run("tar", ["-C", folder, ...same, "-I", "gzip -1n", "-cf", archive, name]);
  await rm(content, { recursive: true });
  const digest = createHash("sha256")
    .update(await readFile(archive))
    .digest("hex");
  await writeFile(`${archive}.sha256`, `${digest}\n`);
}

async function point(name: string, target: string): Promise<void> {
  const link = join(tailnetFolder, name);
  if ((await readlink(link).catch(() => undefined)) === target) return;
  await mkdir(dirname(link), { recursive: true });
  await rm(link, { force: true });
  await symlink(target, link);
}
