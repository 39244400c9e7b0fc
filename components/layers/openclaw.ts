import { openClawPackages } from "../../lib/openclawPackages";
import { npmRegistry } from "../../lib/registry";
import { render } from "../../lib/render";
import { hereDocument, quote } from "../../lib/shell";
import type { LayerDefinition } from "./definition";
import { hostFile } from "./files";

/** Script of the openclaw layer: Node.js, npm and OpenClaw. `registry` is the base address of the npm registry. */
export function openclawScript({ registry }: { readonly registry: string }): string {
  const { id, list } = openClawPackages();
  const scripts = "usr/local/vps-scripts";
  return render("layers/openclaw/apply.sh", {
    id: quote(id),
    registry: quote(registry),
    packages: hereDocument(list),
    fetchPackages: hostFile(`${scripts}/fetch-packages`),
    openclawConfig: hostFile(`${scripts}/openclaw-config.mjs`),
    openclawClient: hostFile(`${scripts}/openclaw-client.mjs`),
    openclawAudit: hostFile(`${scripts}/openclaw-audit.mjs`),
    openclawDevices: hostFile(`${scripts}/openclaw-devices.mjs`),
    sandboxCheck: hostFile(`${scripts}/sandbox-check`),
    gatewayLib: hostFile(`${scripts}/gateway.sh`),
  });
}

export const openclawLayer: LayerDefinition = {
  name: "openclaw",
  after: ["receiver"],
  script: ({ content }) =>
    content.openclaw.apply(async ({ registry }) => openclawScript({ registry: registry ?? (await npmRegistry()) })),
  expected: () => ({ openclaw: openClawPackages().id }),
};
