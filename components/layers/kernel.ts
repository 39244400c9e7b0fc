import { createHash } from "node:crypto";
import type { KernelMode } from "../../lib/config";
import { readTemplate, render } from "../../lib/render";
import { hostFile } from "./files";

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
  return render("layers/kernel.sh", {
    hardened: mode === "hardened",
    check: hostFile("usr/local/vps-scripts/kernel-settings"),
    ...texts,
  });
}

/** What the host's own audit compares with: SHA-256 over the layer's files below `/etc`, one after the other; or `leave`. */
export function expectedKernel(mode: KernelMode): string {
  if (mode === "leave") return mode;
  const hash = createHash("sha256");
  // The warning stands in issue.net too.
  for (const path of [...Object.values(files), files.issue]) hash.update(readTemplate(`host/${path}`));
  return hash.digest("hex");
}
