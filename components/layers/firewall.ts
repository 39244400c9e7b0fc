import { render } from "../../lib/render";
import { quote, quoteAll } from "../../lib/shell";
import { confirmSeconds } from "./confirm";
import { hostFile } from "./files";

/** Script of the firewall layer (document: Firewall). `sshPorts` are the TCP ports that stay open. */
export function firewallScript({ sshPorts }: { readonly sshPorts: readonly number[] }): string {
  const ports = sshPorts.map(String);
  return render("layers/firewall.sh", {
    ports: quoteAll(ports),
    summary: quote(`ufw denies all that comes in but ${ports.map((port) => `${port}/tcp`).join(" and ")}`),
    confirmSeconds,
    firewallLib: hostFile("usr/local/vps-scripts/firewall.sh"),
    metadataRules: hostFile("etc/monoclaw/metadata.nft"),
    metadataUnit: hostFile("etc/systemd/system/monoclaw-metadata.service"),
  });
}
