import { cloud } from "./attacker";

/** The ports that the cloud's firewall of this name lets in, the highest first. */
export async function cloudRules(firewall: string): Promise<number[]> {
  const { firewalls } = await cloud<{ firewalls: { name: string; rules: { port: string }[] }[] }>("GET", "firewalls");
  const rules = firewalls.find(({ name }) => name === firewall)?.rules ?? [];
  return rules.map(({ port }) => Number(port)).sort((a, b) => b - a);
}
