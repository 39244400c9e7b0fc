import { type TailscaleArchive, tailscaleVersion } from "../../lib/config";
import { readTemplate, render } from "../../lib/render";
import { sha256 } from "../../lib/sha256";
import { quote } from "../../lib/shell";
import type { Expected, LayerDefinition } from "./definition";
import { hostFile, hostText } from "./files";

const unit = "etc/systemd/system/tailscaled.service";

/** Where a version lies below /opt/tailscale: a new hash is a new folder. */
function tailscaleId({ sha256: { amd64, arm64 } }: TailscaleArchive): string {
  return `${tailscaleVersion}-${amd64.slice(0, 6)}${arm64.slice(0, 6)}`;
}

/**
 * Script of the tailscale layer: installs the pinned Tailscale and starts its daemon (requirements: Tailscale Serve). It comes after
 * the users layer, which changes accounts too, and the management layer, which brings the scripts that the tailnet's layers share.
 *
 * @param archive - `undefined`: no tailnet, so the host leaves the one that it is on, and what the layer had installed goes
 */
export function tailscaleScript({ archive }: { readonly archive: TailscaleArchive | undefined }): string {
  if (archive === undefined) {
    return readTemplate("layers/tailscale/remove.sh");
  }
  return render("layers/tailscale/apply.sh", {
    id: quote(tailscaleId(archive)),
    version: quote(tailscaleVersion),
    baseUrl: quote(archive.baseUrl),
    amd64: quote(archive.sha256.amd64),
    arm64: quote(archive.sha256.arm64),
    unit: hostFile(unit),
  });
}

/** What the host's own audit compares with. `undefined`: no tailnet. */
function expectedTailscale(archive: TailscaleArchive | undefined): Expected {
  return archive === undefined
    ? { tailnet: "off" }
    : { tailscale: tailscaleId(archive), tailscaled: sha256(hostText(unit)).slice(0, 16) };
}

export const tailscaleLayer: LayerDefinition = {
  name: "tailscale",
  after: ["users", "management"],
  script: ({ archive }) => tailscaleScript({ archive }),
  expected: ({ archive }) => expectedTailscale(archive),
};
