import type { Values } from "./key";
import type { existing, host, server, tailnet } from "./keys";

type HostValues = Values<typeof host>;
type ExistingValues = Values<typeof existing>;
type TailnetValues = Values<typeof tailnet>;

/** A host's settings, complete and checked. Each key's meaning, range and default is in `keys.ts`. */
export interface HostSettings extends Omit<HostValues, "target" | "server" | "existing" | "tailnet"> {
  /** Where the host comes from. */
  readonly machine: MachineSettings;
  /** The way to the dashboard. */
  readonly tailnet: TailnetSettings;
}

/** A server to rent at Hetzner Cloud, or a machine that somebody has already. */
export type MachineSettings =
  | { readonly target: "hcloud"; readonly server: ServerSettings }
  | { readonly target: "existing"; readonly existing: ExistingSettings };

/** What to rent at Hetzner Cloud. */
export type ServerSettings = Values<typeof server>;

/**
 * How to reach an existing machine. `hostKey` is `undefined` if the first key that answers is trusted, `privateKey`
 * if the SSH agent's keys are.
 */
export type ExistingSettings = Omit<ExistingValues, "trustOnFirstUse">;

/** The SSH jail (requirements: fail2ban), by fail2ban's names (jail.conf(5)). */
export type Fail2banSettings = HostValues["fail2ban"];

/** The kernel layer: `hardened` sets what docs/kernel.md lists, `leave` takes it back. */
export type KernelMode = HostValues["kernel"];

/** Unattended security updates (requirements: Updates). */
export type UpdateSettings = HostValues["updates"];

/** Limits of the gateway's service (requirements: Limits), as systemd.resource-control(5) has them. */
export type LimitSettings = HostValues["limits"];

/** The tailnet that a host belongs to, and who may open its dashboard there. */
export interface TailnetSettings extends Omit<TailnetValues, "https" | "archive"> {
  /** Serve the dashboard by HTTPS, with a certificate from Tailscale's service; else by HTTP within WireGuard. */
  readonly https: boolean;
  /** Where the host gets Tailscale. */
  readonly archive: TailscaleArchive;
}

/** Tailscale's static archives, named as the official ones: `tailscale_VERSION_ARCHITECTURE.tgz`. */
export interface TailscaleArchive {
  /** URL of the folder that they lie in, with a slash at its end. */
  readonly baseUrl: string;
  /** Version that is installed. */
  readonly version: string;
  /** SHA-256 by Debian's name of the architecture, 64 hex digits each. */
  readonly sha256: { readonly amd64: string; readonly arm64: string };
}

/** The whole configuration of a stack. */
export interface Settings {
  /** The lowest serial of every envelope: the last resort, where hosts have got a higher one from a wrong clock or another state. */
  readonly serial: number;
  /** True if `generation` is set, which older releases had and which means nothing any more. */
  readonly hasGeneration: boolean;
  /** The hosts by name, in the order of the configuration. */
  readonly hosts: ReadonlyMap<string, HostSettings>;
}
