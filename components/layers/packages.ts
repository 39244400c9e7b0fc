import { render } from "../../lib/render";
import { quoteAll } from "../../lib/shell";
import type { LayerDefinition } from "./definition";

/** Debian packages that the layers need; age decrypts those that hold a secret. Debian 12's fail2ban doesn't bring what the journal is read with. */
const names = ["age", "fail2ban", "nftables", "python3-systemd", "ufw", "unattended-upgrades"];

/** Script of the packages layer: one run of apt for all layers, since each run costs seconds. */
export function packagesScript(): string {
  return render("layers/packages/apply.sh", { names: quoteAll(names) });
}

export const packagesLayer: LayerDefinition = { name: "packages", after: ["receiver"], script: packagesScript };
