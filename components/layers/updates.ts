import type { UpdateSettings } from "../../lib/config";
import { render } from "../../lib/render";
import { quote } from "../../lib/shell";
import type { LayerDefinition } from "./definition";
import { hostFile } from "./files";

/** Script of the updates layer (requirements: Updates). */
export function updatesScript({ reboot, rebootTime }: UpdateSettings): string {
  const automatic = String(reboot === "automatic");
  return render("layers/updates/apply.sh", {
    reboot: quote(automatic),
    unattended: hostFile("etc/apt/apt.conf.d/50unattended-upgrades", { reboot: automatic, rebootTime }),
    periodic: hostFile("etc/apt/apt.conf.d/20auto-upgrades"),
  });
}

export const updatesLayer: LayerDefinition = {
  name: "updates",
  after: ["packages"],
  script: ({ content }) => content.updates.apply(updatesScript),
  expected: ({ content }) => content.updates.apply(({ reboot }) => ({ reboot: reboot === "automatic" })),
};
