/** What booting a host takes; everything else about it belongs to the API. */
export interface HostSpec {
  readonly id: number;
  /** Server and host name. */
  readonly name: string;
  /** Folder name of the base in the cache. */
  readonly base: string;
  /** Folders of the layers that its disk lies upon, above the base, the topmost first; never written to. */
  readonly layers: readonly string[];
  /** What the host's init gets on its command line, e.g. `systemd.mask=cron.service`. */
  readonly bootArguments: readonly string[];
  readonly mac: string;
  /** Memory of the server's type, in GB; what the host takes beyond it ends processes there, not on this machine. */
  readonly memory: number;
  readonly location: string;
  /** Address within the lab's /24, or undefined without IPv4. */
  readonly ipv4: string | undefined;
  /** Network of 64 bits, e.g. `fd77:80:0:a::/64`; the host has `::1` of it. */
  readonly ipv6: string | undefined;
  /** Public keys that root accepts. */
  readonly sshKeys: readonly string[];
  readonly userData: string;
  /** Set by the API when no key was given. */
  readonly rootPassword: string | undefined;
  /** True for a host without namespaces and packet filters of its services' own, as many a container is. */
  readonly restricted: boolean;
}

/** One rule of a cloud firewall, as the API has it. */
export interface FirewallRule {
  readonly direction: "in" | "out";
  readonly source_ips: readonly string[];
  readonly destination_ips: readonly string[];
  readonly protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  /** `80`, `80-85` or `any`; for tcp and udp only. */
  readonly port: string | null;
  readonly description: string | null;
}

/** One host as the packet filter sees it. */
export interface FilteredHost {
  readonly id: number;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  /** Rules of all attached firewalls, or undefined if none is attached: then everything passes. */
  readonly rules: readonly FirewallRule[] | undefined;
}

/** The hosts of a lab as the API drives them. Real ones boot containers; unit tests put a fake in their place. */
export interface HostDriver {
  /** Makes an empty disk for the host; what was on it is gone. */
  createDisk(spec: HostSpec): Promise<void>;
  /** Removes the disk. */
  removeDisk(id: number): Promise<void>;
  /**
   * Makes a layer of what a host's disk holds above its layers, without its seed. Returns its bytes.
   *
   * @param folder - the layer; it is there only once it is whole
   * @param move - for a host that is off: its disk goes on, empty, above the layer. Else the disk is copied while the host stands still.
   */
  saveDisk(id: number, folder: string, move: boolean): Promise<number>;
  /** True if a layer is there. */
  hasLayer(folder: string): boolean;
  /** Removes a layer, or what there is of it, that no disk lies upon. */
  removeLayer(folder: string): Promise<void>;
  /** Lets a host go on that stood still for {@link saveDisk} when the daemon ended. */
  resume(id: number): void;
  /** Boots, and returns once the host's first process runs. */
  powerOn(spec: HostSpec): Promise<void>;
  /** Cuts the power. */
  powerOff(id: number): Promise<void>;
  /** Presses the power button. */
  requestShutdown(id: number): void;
  /** Presses Ctrl-Alt-Del. */
  requestReboot(id: number): void;
  isRunning(id: number): boolean;
  /** Makes these the packet filter of the whole lab, in one step. */
  applyFilter(hosts: readonly FilteredHost[]): Promise<void>;
}

/** Gateway-side interface of a host. */
export function portName(id: number): string {
  return `h${String(id)}`;
}

/** The address that a host has of its /64. */
export function ipv6Address(network: string): string {
  return network.replace(/::\/64$/, "::1");
}
