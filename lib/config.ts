import { ConfigReader } from "./configReader";
import { hostKeys, type RawMap, readHost } from "./hostReader";
import type { HostSettings, Settings } from "./settings";
import { checkTailnets } from "./tailnetReader";

export { ConfigError, type Mistake } from "./configReader";
export type * from "./settings";

const stackKeys = ["serial", "hosts", ...hostKeys] as const;
const hostsFix = "pulumi config set --path 'monoclaw:hosts.gateway.primaryUser' ops";

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
  const reader = new ConfigReader(root, secretKeys);
  const { generation, ...keys } = raw; // older releases had that one: `settings.hasGeneration`
  reader.onlyKeys("", keys, stackKeys);
  const serial = reader.integer("serial", raw["serial"], 1, { min: 1, max: 999_999_999_999_999 });
  const hosts = new Map<string, HostSettings>();
  const declared = raw["hosts"] === undefined ? { gateway: {} } : reader.record("hosts", raw["hosts"]);
  if (Object.keys(declared).length === 0 && !Array.isArray(raw["hosts"])) {
    const reason = "must map at least one host's name to its settings";
    reader.wrong("hosts", raw["hosts"], reason, "pulumi config rm monoclaw:hosts");
  }
  const shared = pick(raw, hostKeys);
  for (const [name, value] of Object.entries(declared)) {
    const prefix = raw["hosts"] === undefined ? "" : `hosts.${name}.`;
    if (!/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
      reader.wrong(`hosts.${name}`, name, "a host's name is 1 to 32 of a-z, 0-9 and - , as in a DNS name", hostsFix);
    }
    const own = reader.record(`hosts.${name}`, value);
    reader.onlyKeys(prefix, own, hostKeys);
    hosts.set(name, readHost(reader, { prefix, shared, own, tailscale }));
  }
  checkMachines(reader, shared, hosts);
  checkTailnets(reader, hosts);
  reader.finish();
  return { serial, hosts, hasGeneration: generation !== undefined };
}

/** What only all hosts together show: settings for a target that none has, and two hosts on one machine. */
function checkMachines(reader: ConfigReader, shared: RawMap, hosts: ReadonlyMap<string, HostSettings>): void {
  const targets = new Set([...hosts.values()].map(({ machine }) => machine.target));
  for (const [group, target] of [
    ["server", "hcloud"],
    ["existing", "existing"],
  ] as const) {
    if (shared[group] !== undefined && hosts.size > 0 && !targets.has(target)) {
      const now = [...targets].join(", ");
      const reason = `is for hosts with target ${target}, and there is none: the target is ${now}`;
      reader.wrong(
        group,
        "…",
        reason,
        target === "existing" ? "pulumi config set monoclaw:target existing" : rm(group),
      );
    }
  }
  const byAddress = new Map<string, string>();
  for (const [name, { machine }] of hosts) {
    const address = machine.target === "existing" ? machine.existing.address.toLowerCase() : "";
    const first = byAddress.get(address);
    if (address !== "" && first !== undefined) {
      const key = `hosts.${name}.existing.address`;
      reader.wrong(key, address, `is host ${first}'s, too; each host needs a machine of its own`, rm(`hosts.${name}`));
    }
    byAddress.set(address, name);
  }
}

function rm(key: string): string {
  return `pulumi config rm --path 'monoclaw:${key}'`;
}

function pick(value: RawMap, keys: readonly string[]): RawMap {
  return Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
}
