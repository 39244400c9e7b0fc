import type { Values } from "./key";
import type { content, existing, structure, tailnet } from "./keys";

type TailnetValues = Values<typeof tailnet>;

/** A host's settings, complete and checked. Each key's meaning, range and default is in `keys.ts`. */
export interface HostSettings extends StructureSettings, Omit<ContentSettings, "server"> {
  /** What to rent at Hetzner Cloud; `undefined` for another target. */
  readonly server: ServerSettings | undefined;
}

/** What decides which resources a host has. */
export interface StructureSettings extends Values<typeof structure> {
  /** How to reach an existing machine; `undefined` for another target. */
  readonly existing: ExistingSettings | undefined;
  /** The way to the dashboard. */
  readonly tailnet: TailnetSettings;
}

/** What the resources of a host hold. */
export type ContentSettings = Values<typeof content>;

/** What to rent at Hetzner Cloud, for that target. */
export type ServerSettings = ContentSettings["server"];

/**
 * How to reach an existing machine. `hostKey` is `undefined` if the first key that answers is trusted, `privateKey`
 * if the SSH agent's keys are.
 */
export type ExistingSettings = Values<typeof existing>;

/** The SSH jail (requirements: fail2ban), by fail2ban's names (jail.conf(5)). */
export type Fail2banSettings = ContentSettings["fail2ban"];

/** The kernel layer: `hardened` sets what docs/kernel.md lists, `leave` takes it back. */
export type KernelMode = ContentSettings["kernel"];

/** Unattended security updates (requirements: Updates). */
export type UpdateSettings = ContentSettings["updates"];

/** Limits of the gateway's service (requirements: Limits), as systemd.resource-control(5) has them. */
export type LimitSettings = ContentSettings["limits"];

/** The tailnet that a host belongs to, and who may open its dashboard there. */
export interface TailnetSettings extends Omit<TailnetValues, "https" | "archive"> {
  /** Serve the dashboard by HTTPS, with a certificate from Tailscale's service; else by HTTP within WireGuard. */
  readonly https: boolean;
  /** Where the host gets Tailscale. */
  readonly archive: TailscaleArchive;
}

/** Tailscale's static archives, named as the official ones: `tailscale_VERSION_ARCHITECTURE.tgz`, of `tailscaleVersion`. */
export interface TailscaleArchive {
  /** URL of the folder that they lie in, with a slash at its end. */
  readonly baseUrl: string;
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
