import type { UpdateSettings } from "../../lib/config";
import { render } from "../../lib/render";
import { quote } from "../../lib/shell";
import { hostFile } from "./files";

/** Script of the updates layer (requirements: Updates). */
export function updatesScript({ reboot, rebootTime }: UpdateSettings): string {
  const automatic = String(reboot === "automatic");
  return render("layers/updates.sh", {
    reboot: quote(automatic),
    unattended: hostFile("etc/apt/apt.conf.d/50unattended-upgrades", { reboot: automatic, rebootTime }),
    periodic: hostFile("etc/apt/apt.conf.d/20auto-upgrades"),
  });
}
