import * as pulumi from "@pulumi/pulumi";
import { Host } from "./components/host";
import { readSettings } from "./lib/stackConfig";
import { npmRegistry } from "./lib/registry";

const settings = readSettings();
const built = new Map(
  [...settings.hosts].map(([name, host]) => [
    name,
    new Host(name, {
      settings: host,
      generation: settings.generation,
      registry: host.openclaw.registry ?? npmRegistry(),
    }),
  ]),
);

function byName<T>(of: (host: Host, name: string) => T): Record<string, T> {
  return Object.fromEntries([...built].map(([name, host]) => [name, of(host, name)]));
}

/** Address, port and user of each host. */
export const hosts = byName((host, name) => ({
  address: host.address,
  sshPort: settings.hosts.get(name)?.sshPort,
  user: settings.hosts.get(name)?.primaryUser,
}));
/** What to type for a shell on each host. */
export const sshCommand = byName((host) => host.sshCommand);
/** The hosts' lines for `~/.ssh/known_hosts`. */
export const knownHosts = pulumi
  .all([...built.values()].map((host) => host.knownHosts))
  .apply((lines) => lines.join("\n"));
/** The gateways' tokens. Secret. */
export const gatewayTokens = byName((host) => host.gatewayToken);
/** What to run for a new token. */
export const rotateToken = byName((host) => host.rotateToken);
