import * as fs from "node:fs";
import * as path from "node:path";
import { readTemplate, templatesDir } from "../../lib/render";
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
# shellcheck source=${path.join(templatesDir, "host/usr/local/vps-scripts/layer.sh")}
source /usr/local/vps-scripts/layer.sh
`;

/** Every shell script of `templates/`: the rendered ones with sample settings, and those that go to a host as they are. */
export function shellTemplates(): ShellTemplate[] {
  return [
    { path: "templates/bootstrap.sh", content: sampleBootstrap() },
    { path: "templates/bootstrap-existing.sh", content: sampleExisting() },
    ...Object.entries(sampleLayers()).map(([name, script]) => ({
      path: `templates/layers/${name}.sh`,
      content: before + script,
    })),
    ...hostScripts(),
  ];
}

/** Files below `templates/host` that are shell by their first line. */
function hostScripts(): ShellTemplate[] {
  return fs
    .readdirSync(path.join(templatesDir, "host"), { recursive: true, encoding: "utf8" })
    .map((name) => `host/${name}`)
    .filter((name) => fs.statSync(path.join(templatesDir, name)).isFile())
    .sort()
    .map((name) => ({ path: `templates/${name}`, content: readTemplate(name) }))
    .filter(({ content }) => /^(#!.*\b(ba)?sh|# shellcheck shell=\w+)\n/.test(content));
}
