import * as path from "node:path";
import { readTemplate, templatePaths, templatesDir } from "../../lib/render";
import { sampleBootstrap, sampleExisting, sampleLayers } from "./samples";

/** A shell script as a host gets it. */
export interface ShellTemplate {
  /** Path of the template that it comes from, below the project's root. */
  readonly path: string;
  readonly content: string;
}

/** What the receiver does before it runs a layer's script. shellcheck reads the library's functions from the named file. */
const before = `#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=${path.join(templatesDir, "runtime/files/usr/local/vps-scripts/layer.sh")}
source /usr/local/vps-scripts/layer.sh
`;

/** Every shell script of `templates/`: the rendered ones with sample settings, and those that go to a host as they are. */
export function shellTemplates(): ShellTemplate[] {
  return [
    { path: "templates/runtime/bootstrap.sh", content: sampleBootstrap() },
    { path: "templates/runtime/bootstrap-existing.sh", content: sampleExisting() },
    ...Object.entries(sampleLayers()).map(([name, script]) => ({
      path: `templates/layers/${name === "no-tailscale" ? "tailscale/remove.sh" : `${name}/apply.sh`}`,
      content: before + script,
    })),
    ...hostScripts(),
  ];
}

/** A host's files that are shell by their first line. */
function hostScripts(): ShellTemplate[] {
  return templatePaths()
    .filter((name) => name.includes("/files/"))
    .map((name) => ({ path: `templates/${name}`, content: readTemplate(name) }))
    .filter(({ content }) => /^(#!.*\b(ba)?sh|# shellcheck shell=\w+)\n/.test(content));
}
