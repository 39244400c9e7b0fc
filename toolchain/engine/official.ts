import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { cached, fill } from "../cache";
import { cacheFolder, pulumiHome } from "../paths";
import { capture, run } from "../process";
import { step } from "../report";
import pins from "./pins.json";

// A host that can't be reached must not hold up the fall-back for longer than this.
const CONNECT_TIMEOUT_S = 5;

/** An official Pulumi installation. */
export interface Official {
  /** Folder of its programs. */
  bin: string;
  version: string;
}

/** The official Pulumi on PATH, if its version fits and its Node.js language host is there too. */
export async function findOfficial(): Promise<Official | undefined> {
  for (const bin of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(bin, "pulumi");
    if (bin === "" || !existsSync(file) || isOurs(file)) continue;
    const { exitCode, stdout } = await capture(file, ["version"], {
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
    });
    const version = stdout.trim().replace(/^v/, "");
    if (exitCode !== 0 || !isFitting(version) || !existsSync(join(bin, "pulumi-language-nodejs"))) continue;
    return { bin, version };
  }
  return undefined;
}

/** The official Pulumi that an earlier run downloaded. */
export function downloadedOfficial(): Official | undefined {
  const bin = join(folderOf(), "pulumi");
  return existsSync(join(bin, "pulumi")) ? { bin, version: pins.official.version } : undefined;
}

/** Downloads the pinned official Pulumi. @throws if it can't be reached or is not what the pinned hash says */
export async function downloadOfficial(): Promise<Official> {
  const { version } = pins.official;
  const platform = `${process.platform}-${process.arch}`;
  const sha256 = (pins.official.sha256 as Record<string, string>)[platform];
  if (sha256 === undefined) throw new Error(`no pinned official Pulumi for ${platform}`);
  await step(`official Pulumi v${version}: download`, async () => {
    await fill(folderOf(), async (folder) => {
      const archive = join(folder, "pulumi.tar.gz");
      await downloadVerified(`pulumi-v${version}-${platform}.tar.gz`, sha256, archive);
      await run("tar", ["-xzf", archive, "-C", folder]);
      await rm(archive);
    });
  });
  return { bin: join(folderOf(), "pulumi"), version };
}

async function downloadVerified(name: string, sha256: string, archive: string): Promise<void> {
  const url = `https://get.pulumi.com/releases/sdk/${name}`;
  const limits = ["--connect-timeout", String(CONNECT_TIMEOUT_S), "--max-time", "600"];
  // curl knows the proxy and the certificates of this machine; node's fetch knows neither.
  await run("curl", ["-fsSL", "--proto", "=https", ...limits, "-o", archive, url]);
  const actual = createHash("sha256")
    .update(await readFile(archive))
    .digest("hex");
  if (actual !== sha256) throw new Error(`${url} has the SHA-256 ${actual}, not the pinned ${sha256}`);
}

function folderOf(): string {
  return cached("pulumi-official", pins.official.version);
}

/** A sourced env.sh puts the engine that was built here on PATH: that one is not official. */
function isOurs(file: string): boolean {
  const real = realpathSync(file);
  return file.startsWith(pulumiHome) || real.startsWith(`${cacheFolder}/`);
}

/** True from the oldest version that works up to the next major one. */
export function isFitting(version: string): boolean {
  const [major, minor, patch] = numbers(version);
  const [oldMajor, oldMinor, oldPatch] = numbers(pins.oldest);
  if (major !== oldMajor) return false;
  return minor > oldMinor || (minor === oldMinor && patch >= oldPatch);
}

function numbers(version: string): [number, number, number] {
  const [major = NaN, minor = NaN, patch = NaN] = version.split("-")[0]?.split(".").map(Number) ?? [];
  return [major, minor, patch];
}
