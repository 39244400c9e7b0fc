import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * Labs that can run side by side on one machine: `dev` for people, `test` for one test file run by hand, `selftest` for the lab's own
 * tests. `test1`, `test2` … are those of `npm test`, each in a lane, a network of its own (lanes.ts), so all have `test`'s addresses.
 */
export type InstanceName = Family | `test${number}`;

type Family = "dev" | "test" | "selftest";

export const instanceNames: readonly InstanceName[] = ["dev", "test", "selftest"];

/** Whether a lab of this name can be. */
export function isInstanceName(name: string): name is InstanceName {
  return instanceNames.some((known) => known === name) || /^test[1-9]$/.test(name);
}

function familyOf(name: InstanceName): Family {
  return name === "dev" || name === "selftest" ? name : "test";
}

/**
 * API token of every lab: 64 characters as the provider's are. It is no secret: the API listens on loopback only, and
 * whoever may reach that as root owns the hosts anyway.
 */
export const labToken = `lab${"0".repeat(58)}lab`;

/** One lab: its names on the machine, addresses and folders. Everything that it changes on the machine carries one of them. */
export interface Instance {
  readonly name: InstanceName;
  /** What its hosts call it in names and addresses: the same for all lanes, so that a checkpoint of one can be loaded in any. */
  readonly family: string;
  /** TCP port of the API on 127.0.0.1. */
  readonly port: number;
  /** Base URL as `hcloud:endpoint` wants it. */
  readonly endpoint: string;
  /** TCP port on the uplink address where the metadata service listens; hosts see it as 169.254.169.254:80. */
  readonly metadataPort: number;
  /** TCP port of Tailscale's API on 127.0.0.1; on the uplink address it is where hosts get Tailscale's archive. */
  readonly tailnetPort: number;
  /** Base URL as `tailscale:baseUrl` wants it. */
  readonly tailnetEndpoint: string;
  /** TCP port on the uplink address of the tailnet's control server, the login server of hosts. */
  readonly controlPort: number;
  /** TCP and UDP port on the uplink address of the tailnet's relay (DERP and STUN). */
  readonly relayPort: number;
  /** First three numbers of the hosts' IPv4 network, a /24. */
  readonly prefix4: string;
  /** First two groups of the hosts' IPv6 network, a /48 of which each host has a /64. */
  readonly prefix6: string;
  /** Prefix of process groups: `${group}-daemon`, `${group}-fabric`, `${group}-h<id>`. */
  readonly group: string;
  /** Network interface on the machine that leads to the hosts. */
  readonly uplink: string;
  /** nftables table on the machine: NAT, and what hosts may reach of the machine. */
  readonly table: string;
  /** The checkout that this code belongs to. */
  readonly checkout: string;
  /** Records, logs and disks of the hosts. */
  readonly stateDir: string;
}

const checkout = resolve(__dirname, "..");
const ports: Record<Family, number> = { dev: 8480, test: 8490, selftest: 8470 };
const networks: Record<Family, number> = { dev: 80, test: 90, selftest: 70 };

/** The lab of this name, as this checkout runs it. */
export function instanceOf(name: InstanceName): Instance {
  const family = familyOf(name);
  const port = ports[family];
  const network = String(networks[family]);
  return {
    name,
    family,
    port,
    endpoint: `http://127.0.0.1:${String(port)}/v1`,
    metadataPort: port + 1,
    tailnetPort: port + 2,
    tailnetEndpoint: `http://127.0.0.1:${String(port + 2)}`,
    controlPort: port + 3,
    relayPort: port + 4,
    prefix4: `10.77.${network}`,
    prefix6: `fd77:${network}`,
    group: `monoclaw-lab-${name}`,
    uplink: `mclab-${name}`,
    table: `monoclaw_lab_${name}`,
    checkout,
    stateDir: join(checkout, ".state", "lab", name),
  };
}

/** Folder of everything heavy that outlives a lab. */
export function cacheDir(): string {
  const base = process.env.XDG_CACHE_HOME ?? "";
  return join(base === "" ? join(homedir(), ".cache") : base, "monoclaw");
}
