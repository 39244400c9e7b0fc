import { Instance } from "../instances";
import { FilteredHost, FirewallRule, portName } from "./spec";

/**
 * The packet filter of a lab's fabric: anti-spoofing and the cloud firewalls, outside of the hosts. Semantics are
 * Hetzner's: without a firewall everything passes; with one, inbound is closed but for its rules, and outbound is open unless it
 * has an outbound rule; answers to what was allowed always pass.
 */
export function renderFilter(instance: Instance, hosts: readonly FilteredHost[]): string {
  const metadata = `${instance.prefix4}.1`;
  const port = String(instance.metadataPort);
  const verdicts = (direction: string): string =>
    hosts.map((host) => `"${portName(host.id)}" : jump ${direction}_${portName(host.id)}`).join(", ");
  const dispatch = (key: string, direction: string): string =>
    hosts.length === 0 ? "" : `    ${key} vmap { ${verdicts(direction)} }\n`;
  return `table inet lab
delete table inet lab
table inet lab {
${hosts.map((host) => hostChains(instance, host)).join("")}
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "h*" ip daddr 169.254.169.254 tcp dport 80 dnat ip to ${metadata}:${port}
  }

  chain forward {
    type filter hook forward priority filter; policy drop;
${dispatch("iifname", "from")}    ip daddr 169.254.0.0/16 drop
    ip daddr ${metadata} tcp dport ${port} ct status dnat accept
    ip daddr ${metadata} tcp dport ${port} drop
    oifname "${fabricUplink}" accept
${dispatch("oifname", "to")}  }

  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
}
`;
}

/** The fabric's end of the cable to the machine. */
export const fabricUplink = "uplink";

function hostChains(instance: Instance, host: FilteredHost): string {
  const name = portName(host.id);
  const own4 = host.ipv4 === undefined ? "drop" : `ip saddr != ${host.ipv4} drop`;
  const own6 = host.ipv6 === undefined ? "drop" : `ip6 saddr != ${host.ipv6} drop`;
  return `
  chain from_${name} {
    meta nfproto ipv4 ${own4}
    meta nfproto ipv6 ${own6}
${outbound(instance, host)}  }

  chain to_${name} {
${inbound(host)}  }
`;
}

function inbound(host: FilteredHost): string {
  if (host.rules === undefined) {
    return "    accept\n";
  }
  const rules = host.rules.filter((rule) => rule.direction === "in");
  return ["ct state established,related accept", ...rules.flatMap((rule) => matches(rule, "accept")), "drop"]
    .map((line) => `    ${line}\n`)
    .join("");
}

/** `return` lets the packet on to its receiver's own chain. */
function outbound(instance: Instance, host: FilteredHost): string {
  const rules = (host.rules ?? []).filter((rule) => rule.direction === "out");
  if (rules.length === 0) {
    return "";
  }
  return [
    "ct state established,related return",
    // The metadata service is part of the platform, no firewall rule applies to it.
    `ip daddr ${instance.prefix4}.1 ct status dnat return`,
    ...rules.flatMap((rule) => matches(rule, "return")),
    "drop",
  ]
    .map((line) => `    ${line}\n`)
    .join("");
}

function matches(rule: FirewallRule, verdict: string): string[] {
  const [side, addresses] = rule.direction === "in" ? ["saddr", rule.source_ips] : ["daddr", rule.destination_ips];
  return (["ip", "ip6"] as const).flatMap((family) => {
    const own = addresses.filter((address) => address.includes(":") === (family === "ip6"));
    if (own.length === 0) {
      return [];
    }
    const everything = own.some((address) => address.endsWith("/0"));
    const version = family === "ip" ? "ipv4" : "ipv6";
    const from = everything ? `meta nfproto ${version}` : `${family} ${side} { ${[...new Set(own)].join(", ")} }`;
    return [`${from} ${protocolMatch(rule, family)} ${verdict}`];
  });
}

function protocolMatch(rule: FirewallRule, family: "ip" | "ip6"): string {
  switch (rule.protocol) {
    case "tcp":
    case "udp":
      return rule.port === null || rule.port === "any"
        ? `meta l4proto ${rule.protocol}`
        : `${rule.protocol} dport ${rule.port}`;
    case "icmp":
      return `meta l4proto ${family === "ip" ? "icmp" : "ipv6-icmp"}`;
    case "esp":
    case "gre":
      return `meta l4proto ${rule.protocol}`;
  }
}
