import { readHost } from "./host";
import { host, hostName, hostNameReason, stack } from "./keys";
import { Mistakes, removeCommand, setCommand } from "./mistakes";
import type { RawMap } from "./key";
import { isSet, mapOf, Scope } from "./scope";
import type { HostSettings, Settings } from "./settings";
import { checkTailnets } from "./tailnet";

export { ConfigError, type Mistake } from "./mistakes";
export type * from "./settings";
export { tailscaleVersion } from "./tailnet";

/** What decides about a configuration, beside its values. */
export interface Surroundings {
  /** The keys that the configuration file holds encrypted. */
  readonly secretKeys?: ReadonlySet<string>;
  /** What is wrong with the credentials for Tailscale's API, see `credentialsProblem`. */
  readonly tailscale?: string | undefined;
}

/**
 * Checks a stack's configuration and fills in the defaults.
 *
 * @param raw - the values under `monoclaw:`, parsed, by key
 * @param root - folder that relative paths of key files start from
 * @throws ConfigError with every mistake at once
 */
export function parseConfig(
  raw: RawMap,
  root: string,
  { secretKeys = new Set(), tailscale }: Surroundings = {},
): Settings {
  const mistakes = new Mistakes(root, secretKeys);
  const { generation, ...keys } = raw; // older releases had that one: `settings.hasGeneration`
  const whole = new Scope(mistakes, [{ prefix: "", values: keys, isHome: true }]);
  whole.onlyKeys([...Object.keys(stack), "hosts", ...Object.keys(host)]);
  const { serial } = whole.pick(stack);
  const hosts = new Map<string, HostSettings>();
  const declared = raw["hosts"] === undefined ? { gateway: {} } : mapOf(mistakes, "hosts", raw["hosts"]);
  if (Object.keys(declared).length === 0 && !Array.isArray(raw["hosts"])) {
    const reason = "must map at least one host's name to its settings";
    mistakes.add("hosts", raw["hosts"], reason, "pulumi config rm monoclaw:hosts");
  }
  const shared = { prefix: "", values: pick(raw, Object.keys(host)), isHome: false };
  for (const [name, value] of Object.entries(declared)) {
    if (!hostName.test(name)) {
      mistakes.add(`hosts.${name}`, name, hostNameReason, setCommand("hosts.gateway.primaryUser", "ops"));
    }
    const own = { prefix: `hosts.${name}.`, values: mapOf(mistakes, `hosts.${name}`, value), isHome: false };
    hosts.set(name, readHost(mistakes, new Scope(mistakes, [own, shared]), tailscale));
  }
  checkMachines(mistakes, shared.values, hosts);
  checkTailnets(mistakes, hosts);
  mistakes.finish();
  return { serial, hosts, hasGeneration: generation !== undefined };
}

/** What only all hosts together show: settings for a target that none has, and two hosts on one machine. */
function checkMachines(mistakes: Mistakes, shared: RawMap, hosts: ReadonlyMap<string, HostSettings>): void {
  const targets = new Set([...hosts.values()].map(({ target }) => target));
  for (const [group, target] of [
    ["server", "hcloud"],
    ["existing", "existing"],
  ] as const) {
    if (isSet(shared[group]) && hosts.size > 0 && !targets.has(target)) {
      const now = [...targets].join(", ");
      const reason = `is for hosts with target ${target}, and there is none: the target is ${now}`;
      const fix = target === "existing" ? setCommand("target", "existing") : removeCommand(group);
      mistakes.add(group, "…", reason, fix);
    }
  }
  const byAddress = new Map<string, string>();
  for (const [name, { existing }] of hosts) {
    const address = existing?.address.toLowerCase() ?? "";
    const first = byAddress.get(address);
    if (address !== "" && first !== undefined) {
      const key = `hosts.${name}.existing.address`;
      const reason = `is host ${first}'s, too; each host needs a machine of its own`;
      mistakes.add(key, address, reason, removeCommand(`hosts.${name}`));
    }
    byAddress.set(address, name);
  }
}

function pick(value: RawMap, keys: readonly string[]): RawMap {
  return Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
}
