import type { HostSettings } from "./config/settings";

/** Where SSH comes in by: everywhere, or the tailnet alone. */
export type Reach = "public" | "tailnet";

/** An open door of sshd: a TCP port, from everywhere or from the tailnet alone. */
export interface SshWay {
  readonly reach: Reach;
  readonly port: number;
}

/** The ways into a host: what is open, where layers come in now, and where a change must be confirmed. */
export interface SshWays {
  /** TCP ports that sshd listens on: the one to stay first. */
  readonly ports: readonly number[];
  /** All that are open, those to stay first. */
  readonly open: readonly SshWay[];
  /** The one that is open before this run: during a change the previous one. */
  readonly now: SshWay;
  /** The one that is open after it. */
  readonly next: SshWay;
}

type Ways = Pick<HostSettings, "sshPort" | "previousSshPort" | "tailnet">;

/** Tailscale's network interface. */
const tailnetInterface = "tailscale0";

/** The ways in that these settings open. */
export function sshWays({ sshPort, previousSshPort, tailnet }: Ways): SshWays {
  const reach = (only: boolean): Reach => (only ? "tailnet" : "public");
  const ports = unique([sshPort, previousSshPort ?? sshPort]);
  const reaches = unique([reach(tailnet.sshOnly), reach(tailnet.previousSshOnly ?? tailnet.sshOnly)]);
  return {
    ports,
    open: reaches.flatMap((each) => ports.map((port) => ({ reach: each, port }))),
    now: { reach: reach(tailnet.previousSshOnly ?? tailnet.sshOnly), port: previousSshPort ?? sshPort },
    next: { reach: reach(tailnet.sshOnly), port: sshPort },
  };
}

/** The ports of the open ways that come in by this. */
export function portsBy(reach: Reach, { open }: SshWays): number[] {
  return open.filter((way) => way.reach === reach).map(({ port }) => port);
}

/** A way as the host's firewall scripts write it: `22022`, or `22022@tailscale0`. */
export function wayWord({ reach, port }: SshWay): string {
  return reach === "public" ? String(port) : `${String(port)}@${tailnetInterface}`;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
