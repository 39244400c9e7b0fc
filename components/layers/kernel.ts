import type { KernelMode } from "../../lib/config";
import { render } from "../../lib/render";
import { sha256 } from "../../lib/sha256";
import type { LayerDefinition } from "./definition";
import { hostFile, hostText } from "./files";

/** The files of the layer below `/etc`, by their names in its script. */
const files = {
  settings: "etc/sysctl.d/zz-monoclaw.conf",
  modules: "etc/modprobe.d/monoclaw.conf",
  limits: "etc/security/limits.d/monoclaw.conf",
  coredump: "etc/systemd/coredump.conf.d/monoclaw.conf",
  issue: "etc/issue",
} as const;

/** Script of the kernel layer. */
export function kernelScript(mode: KernelMode): string {
  const texts = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, hostFile(path)]));
  return render("layers/kernel/apply.sh", {
    hardened: mode === "hardened",
    check: hostFile("usr/local/vps-scripts/kernel-settings"),
    ...texts,
  });
}

/** What the host's own audit compares with: SHA-256 over the layer's files below `/etc`, one after the other; or `leave`. */
function expectedKernel(mode: KernelMode): string {
  if (mode === "leave") return mode;
  // The warning stands in issue.net too.
  const paths = [...Object.values(files), files.issue];
  return sha256(paths.map((path) => hostText(path)).join(""));
}

export const kernelLayer: LayerDefinition = {
  name: "kernel",
  after: ["receiver"],
  script: ({ content }) => content.kernel.apply(kernelScript),
  expected: ({ content }) => content.kernel.apply((mode) => ({ kernel: expectedKernel(mode) })),
};
