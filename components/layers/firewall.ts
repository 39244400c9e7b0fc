import { render } from "../../lib/render";
import { quote, quoteAll } from "../../lib/shell";
import { type SshWay, wayWord } from "../../lib/sshWays";
import { confirmSeconds } from "./confirm";
import type { LayerDefinition } from "./definition";
import { hostFile } from "./files";

/** Script of the firewall layer (requirements: Firewall). `open` are sshd's ways in, and all that stays open. */
export function firewallScript({ open }: { readonly open: readonly SshWay[] }): string {
  const told = open.map(({ reach, port }) => `${String(port)}/tcp${reach === "tailnet" ? " from the tailnet" : ""}`);
  const ports = [...new Set(open.map(({ port }) => port))];
  return render("layers/firewall/apply.sh", {
    ways: quoteAll(open.map(wayWord)),
    summary: quote(`ufw denies all that comes in but ${told.join(" and ")}`),
    confirmSeconds,
    firewallLib: hostFile("usr/local/vps-scripts/firewall.sh"),
    ports: quoteAll(ports.map(String)),
    metadataRules: hostFile("etc/monoclaw/metadata.nft", { ports: ports.join(", ") }),
    metadataUnit: hostFile("etc/systemd/system/monoclaw-metadata.service"),
  });
}

export const firewallLayer: LayerDefinition = {
  name: "firewall",
  after: ["packages"],
  confirmed: true,
  script: ({ ways }) => firewallScript(ways),
  expected: ({ ways }) => ({ sshWays: ways.open.map(wayWord).join(",") }),
};
