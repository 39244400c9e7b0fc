import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, fill, fingerprint } from "../cache";
import { capture, run, type RunOptions } from "../process";
import { step, type Progress } from "../report";

const MODULE = __dirname;
const PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
const FLAGS = ["-v", "-trimpath", "-buildvcs=false"];

// The CLI looks for its language host beside itself first, and warns about one that it finds on PATH.
const LANGUAGE_HOST = '#!/bin/sh\nexec "$PULUMI_HOME/lib/pulumi-language-nodejs" "$@"\n';

/** The Pulumi CLI built from the pinned Go module; built now if this machine has not built it before. */
export async function ensureSourceBuild(): Promise<{ bin: string; version: string }> {
  const version = pinnedVersion();
  const folder = sourceFolder();
  if (!existsSync(folder)) {
    await step(`Pulumi ${version}: build from source (some minutes, once per machine)`, async (progress) => {
      await requireGo();
      await fill(folder, async (partial) => {
        await build(version, join(partial, "pulumi"), progress);
        await writeFile(join(partial, "pulumi-language-nodejs"), LANGUAGE_HOST, { mode: 0o755 });
      });
    });
  }
  return { bin: folder, version };
}

/** True if an earlier run has built it. */
export function hasSourceBuild(): boolean {
  return existsSync(sourceFolder());
}

function sourceFolder(): string {
  const inputs = ["go.mod", "go.sum", "tools.go"].map((name) => join(MODULE, name));
  return cached("pulumi-source", fingerprint(inputs, [process.platform, process.arch, ...FLAGS]));
}

function pinnedVersion(): string {
  const requirement = /github\.com\/pulumi\/pulumi\/pkg\/v3 (v[\d.]+)/.exec(
    readFileSync(join(MODULE, "go.mod"), "utf8"),
  );
  if (requirement?.[1] === undefined) throw new Error(`${MODULE}/go.mod requires no github.com/pulumi/pulumi/pkg/v3`);
  return requirement[1];
}

async function requireGo(): Promise<void> {
  const needed = /^go ([\d.]+)$/m.exec(readFileSync(join(MODULE, "go.mod"), "utf8"))?.[1] ?? "";
  const remedy = `install Go ${needed} or newer, or Pulumi from pulumi.com`;
  const found = await capture("go", ["env", "GOVERSION"]).catch(() => undefined);
  if (found === undefined) throw new Error(`go is not on PATH: ${remedy}`);
  const version = found.stdout.trim().replace(/^go/, "");
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = needed.split(".").map(Number);
  if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
    throw new Error(`go is version ${version}: ${remedy}`);
  }
}

async function build(version: string, output: string, progress: Progress): Promise<void> {
  const options: RunOptions = { cwd: MODULE, env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" } };
  let downloads = 0;
  progress("modules");
  const listed = await run("go", ["list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", PACKAGE], {
    ...options,
    onLine: (line) => {
      if (line.startsWith("go: downloading")) progress(`modules: ${String(++downloads)} downloaded`);
    },
  });
  const missing = new Set(listed.stdout.trim().split("\n"));
  const total = missing.size;
  const link = `-s -w -X ${VERSION_VARIABLE}=${version}`;
  await run("go", ["build", ...FLAGS, "-ldflags", link, "-o", output, PACKAGE], {
    ...options,
    onLine: (line) => {
      missing.delete(line);
      progress(`packages: ${String(total - missing.size)} of ${String(total)} compiled`);
    },
  });
}
