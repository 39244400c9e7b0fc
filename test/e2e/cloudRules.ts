import { cloud } from "./attacker";

interface Firewall {
  readonly name: string;
  readonly rules: readonly { readonly port: string | null; readonly source_ips: readonly string[] }[];
}

/** The ports that the cloud's firewall of this name lets in, the highest first. Its rule for an address that nobody has opens none. */
export async function cloudRules(firewall: string): Promise<number[]> {
  const { firewalls } = await cloud<{ firewalls: Firewall[] }>("GET", "firewalls");
  const found = firewalls.find(({ name }) => name === firewall);
  if (found === undefined) throw new Error(`there is no firewall ${firewall}`);
  const open = found.rules.filter(({ source_ips: from }) => from.join() !== "192.0.2.1/32");
  return open.map(({ port }) => Number(port)).sort((a, b) => b - a);
}
