import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, fill, fingerprint } from "../cache";
import { buildGo, GO_FLAGS, moduleFiles, requiredVersion, requireGo } from "../golang";
import { step } from "../report";

const MODULE = __dirname;
const PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

// The CLI looks for its language host beside itself first, and warns about one that it finds on PATH.
const LANGUAGE_HOST = '#!/bin/sh\nexec "$PULUMI_HOME/lib/pulumi-language-nodejs" "$@"\n';

/** The Pulumi CLI built from the pinned Go module; built now if this machine has not built it before. */
export async function ensureSourceBuild(): Promise<{ bin: string; version: string }> {
  const version = requiredVersion(MODULE, "github.com/pulumi/pulumi/pkg/v3");
  const folder = sourceFolder();
  if (!existsSync(folder)) {
    await step(`Pulumi ${version}: build from source (some minutes, once per machine)`, async (progress) => {
      await requireGo(MODULE, "Pulumi from pulumi.com");
      await fill(folder, async (partial) => {
        const link = `-X ${VERSION_VARIABLE}=${version}`;
        await buildGo(MODULE, { package: PACKAGE, output: join(partial, "pulumi"), link }, progress);
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
  return cached("pulumi-source", fingerprint(moduleFiles(MODULE), [process.platform, process.arch, ...GO_FLAGS]));
}
