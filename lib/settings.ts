/** A host's settings, complete and checked. */
export interface HostSettings {
  /** The one account that may log in. */
  readonly primaryUser: string;
  /** TCP port of sshd. */
  readonly sshPort: number;
  /** The port before a change of `sshPort`; sshd listens on both as long as it is set. */
  readonly previousSshPort: number | undefined;
  /** Public key lines that may log in as the primary user. */
  readonly authorizedKeys: readonly string[];
  /** Where the host comes from. */
  readonly machine: MachineSettings;
  /** Limits of the gateway's service (requirements: Limits). */
  readonly limits: LimitSettings;
  /** The SSH jail. */
  readonly fail2ban: Fail2banSettings;
  /** Security updates. */
  readonly updates: UpdateSettings;
  /** What becomes of the kernel's settings. */
  readonly kernel: KernelMode;
  /** The gateway's own settings. */
  readonly openclaw: OpenclawSettings;
  /** The way to the dashboard. */
  readonly tailnet: TailnetSettings;
}

/** A server to rent at Hetzner Cloud, or a machine that somebody has already. */
export type MachineSettings =
  | { readonly target: "hcloud"; readonly server: ServerSettings }
  | { readonly target: "existing"; readonly existing: ExistingSettings };

/** How to reach an existing machine the first time; afterwards the stack has a key and a port of its own. */
export interface ExistingSettings {
  /** IPv4 or IPv6 address, or DNS name. */
  readonly address: string;
  /** TCP port that its sshd listens on now. */
  readonly port: number;
  /** `root`, or an account that may use sudo without a password. */
  readonly user: string;
  /** Private key of that account, in a form that OpenSSH reads. Secret. `undefined`: the SSH agent's keys. */
  readonly privateKey: string | undefined;
  /** The machine's Ed25519 host key, type and key. `undefined`: the first one that answers is trusted from then on. */
  readonly hostKey: string | undefined;
}

/** The SSH jail (requirements: fail2ban), by fail2ban's names (jail.conf(5)). */
export interface Fail2banSettings {
  /** Failed attempts before a ban. */
  readonly maxretry: number;
  /** Seconds in which they count. */
  readonly findtime: number;
  /** Seconds that a ban lasts. */
  readonly bantime: number;
  /** Addresses or networks that are never banned, beside the loopback ones. */
  readonly ignoreip: readonly string[];
}

/** The kernel layer: `hardened` sets what docs/kernel.md lists, `leave` takes it back. */
export type KernelMode = "hardened" | "leave";

/** Unattended security updates (requirements: Updates). */
export interface UpdateSettings {
  /** What to do when an update wants a reboot: nothing but say so, or reboot at `rebootTime`. */
  readonly reboot: "none" | "automatic";
  /** Local time of the host, `HH:MM`. */
  readonly rebootTime: string;
}

/** The gateway's software and settings. */
export interface OpenclawSettings {
  /** Merged into openclaw.json, under the keys that the program manages. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** npm registry to install from; `undefined`: the one that this machine's npm uses. */
  readonly registry: string | undefined;
}

/** The tailnet that a host belongs to, and who may open its dashboard there. */
export interface TailnetSettings {
  /** False: the host leaves the tailnet, and an SSH tunnel leads to the dashboard. */
  readonly enabled: boolean;
  /** The host's tags; the first one is what the policy's grant names. */
  readonly tags: readonly string[];
  /** Who may open the dashboard: login names, groups and autogroups of the tailnet. */
  readonly users: readonly string[];
  /** `manage`: the stack owns the tailnet's policy file. `leave`: you do. */
  readonly acl: AclMode;
  /** Replace a policy that is not this stack's. */
  readonly overwriteAcl: boolean;
  /** Serve the dashboard by HTTPS, with a certificate from Tailscale's service; else by HTTP within WireGuard. */
  readonly https: boolean;
  /** True: SSH comes in over the tailnet alone, and no port is open to the Internet. */
  readonly sshOnly: boolean;
  /** `sshOnly` before a change of it; both ways are open as long as it is set. */
  readonly previousSshOnly: boolean | undefined;
  /** Where this machine reaches the host on the tailnet: IP address or DNS name. `undefined`: the host's own name there. */
  readonly address: string | undefined;
  /** URL of the control server; `undefined`: Tailscale's own. */
  readonly loginServer: string | undefined;
  /** Where the host gets Tailscale. */
  readonly archive: TailscaleArchive;
}

/** Who owns the tailnet's policy file. */
export type AclMode = "manage" | "leave";

/** Tailscale's static archives, named as the official ones: `tailscale_VERSION_ARCHITECTURE.tgz`. */
export interface TailscaleArchive {
  /** URL of the folder that they lie in, with a slash at its end. */
  readonly baseUrl: string;
  /** Version that is installed. */
  readonly version: string;
  /** SHA-256 by Debian's name of the architecture, 64 hex digits each. */
  readonly sha256: { readonly amd64: string; readonly arm64: string };
}

/** What to rent at Hetzner Cloud, by Hetzner's names. */
export interface ServerSettings {
  readonly type: string;
  readonly image: string;
  readonly location: string;
  /** Hetzner's daily backups. */
  readonly backups: boolean;
}

/** Limits of the gateway's service, as systemd writes them (systemd.resource-control(5)). */
export interface LimitSettings {
  /** `MemoryMax=`: a number with M or G. */
  readonly memoryMax: string;
  /** `TasksMax=`. */
  readonly tasksMax: number;
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
