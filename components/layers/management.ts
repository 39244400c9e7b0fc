import { render } from "../../lib/render";
import { sha256 } from "../../lib/sha256";
import { hereDocument } from "../../lib/shell";
import type { Expected, LayerDefinition } from "./definition";
import { hostFile, hostPaths, hostText } from "./files";

/** Commands for the person on the host; each stands in `/usr/local/bin`, and in the primary user's sudo rows. */
const commands = ["monoclaw-logs", "monoclaw-security", "monoclaw-status", "monoclaw-tailscale", "monoclaw-update"];
/** What they share, and the layers of the tailnet with them. */
const helpers = [
  "devices",
  "evict",
  "fetch-file",
  "leave-tailnet.sh",
  "management.sh",
  "regenerate-token.sh",
  "show-config",
  "show-devices",
  "tailnet-facts",
  "tailscale.sh",
];
const scripts = "usr/local/vps-scripts";

/** The names of all scripts of a host, whichever layer brings them. */
function scriptNames(): string[] {
  return hostPaths(scripts).map((path) => path.slice(scripts.length + 1));
}

/** Script of the management layer (requirements: Restricted sudo, Audit). `expected`: what the host's own audit compares with. */
export function managementScript(expected: Expected): string {
  const lines = Object.entries({ ...expected, scripts: scriptsDigest() }).map(([key, value]) => `${key}=${value}\n`);
  // The scripts that monoclaw-security is made of.
  const audits = scriptNames().filter((name) => name.startsWith("audit"));
  return render("layers/management/apply.sh", {
    commands,
    scripts: [...commands, ...helpers, ...audits].map((name) => ({
      name,
      text: hostFile(`${scripts}/${name}`),
    })),
    expected: hereDocument(lines.sort().join("")),
  });
}

/** Over all scripts of the host, whichever layer brings them, as `sha256sum * | sha256sum` makes it there. */
function scriptsDigest(): string {
  const lines = scriptNames().map((name) => `${sha256(hostText(`${scripts}/${name}`))}  ${name}\n`);
  return sha256(lines.join(""));
}

export const managementLayer: LayerDefinition = {
  name: "management",
  after: ["ssh", "firewall"],
  script: ({ expected }) => expected.apply(managementScript),
};
