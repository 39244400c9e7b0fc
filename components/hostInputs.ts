// Made from lib/config/keys.ts by: UPDATE_GOLDEN=1 npm run test:unit
import type * as pulumi from "@pulumi/pulumi";

/**
 * What one host can set. A `pulumi.Input` may be known later; all else decides which resources there are.
 * docs/configuration.md has the same as a table.
 */
export interface HostInputs {
  /**
   * Rent a server at Hetzner Cloud, or harden a machine that you have. See docs/existing.md.
   *
   * @default "hcloud"
   */
  readonly target?: "hcloud" | "existing" | undefined;
  /**
   * The one account that may log in; can't be changed on an existing host.
   *
   * @default "ops"
   */
  readonly primaryUser?: string | undefined;
  /**
   * Of SSH: not 22, where scanners look first; not 80, 443 or 18789. See docs/change-ssh-port.md. Value: TCP port.
   *
   * @default 22022
   */
  readonly sshPort?: number | undefined;
  /**
   * The port before a change of `sshPort`, for the time of the change; 22 is fine here. Value: TCP port.
   *
   * @default not set
   */
  readonly previousSshPort?: number | undefined;

  readonly existing?:
    | {
        /**
         * Of the machine; with a changed one and the same `hostKey` it is the same machine. Value: address or name.
         */
        readonly address: string;
        /**
         * Where its sshd listens before the first `up`. Value: TCP port.
         *
         * @default 22
         */
        readonly port?: number | undefined;
        /**
         * Who logs in there for the first `up`: root, or an account with sudo without a password; not the `primaryUser`.
         *
         * @default "root"
         */
        readonly user?: string | undefined;
        /**
         * That account's key without a passphrase, always with `--secret`, or the path of its file. Best not set: then your SSH agent signs, and no key lies in the state. Value: secret, or path.
         *
         * @default not set
         */
        readonly privateKey?: pulumi.Input<string> | undefined;
        /**
         * `ssh-ed25519 AAAA…`, from the provider's console; anything else that answers is refused.
         *
         * @default must be set
         */
        readonly hostKey?: string | undefined;
        /**
         * Instead of `hostKey`: takes the key that answers first, and no other from then on.
         *
         * @default false
         */
        readonly trustOnFirstUse?: boolean | undefined;
      }
    | undefined;
  /**
   * Public key lines or paths of `.pub` files (from the project's folder, or `~/`): Ed25519, or RSA of 4096 bits or more.
   */
  readonly authorizedKeys: pulumi.Input<readonly pulumi.Input<string>[]>;

  readonly limits?:
    | pulumi.Input<{
        /**
         * `MemoryMax=` of the service, from 1G; Node.js's heap gets 60 % of it. Value: number, M or G.
         *
         * @default "2G"
         */
        readonly memoryMax?: pulumi.Input<string> | undefined;
        /**
         * `TasksMax=` of the service. Value: 50 to 4096.
         *
         * @default 100
         */
        readonly tasksMax?: pulumi.Input<number> | undefined;
      }>
    | undefined;

  readonly fail2ban?:
    | pulumi.Input<{
        /**
         * Failed logins from one address before it is banned. Value: 1 to 20.
         *
         * @default 5
         */
        readonly maxretry?: pulumi.Input<number> | undefined;
        /**
         * Seconds in which they count. Value: 60 to 86400.
         *
         * @default 600
         */
        readonly findtime?: pulumi.Input<number> | undefined;
        /**
         * Seconds that a ban lasts. Value: 60 to 31536000.
         *
         * @default 3600
         */
        readonly bantime?: pulumi.Input<number> | undefined;
        /**
         * Addresses or networks (`198.51.100.0/24`) that are never banned: your own, if it doesn't change.
         *
         * @default []
         */
        readonly ignoreip?: pulumi.Input<readonly pulumi.Input<string>[]> | undefined;
      }>
    | undefined;

  readonly updates?:
    | pulumi.Input<{
        /**
         * What to do when an update wants a reboot: only say so in `monoclaw-status`, or reboot.
         *
         * @default "none"
         */
        readonly reboot?: pulumi.Input<"none" | "automatic"> | undefined;
        /**
         * When, by the host's clock, if `automatic`. Value: `HH:MM`.
         *
         * @default "04:30"
         */
        readonly rebootTime?: pulumi.Input<string> | undefined;
      }>
    | undefined;
  /**
   * What is set beyond the requirements, in the kernel and around it; see docs/kernel.md.
   *
   * @default "hardened"
   */
  readonly kernel?: pulumi.Input<"hardened" | "leave"> | undefined;

  readonly openclaw?:
    | pulumi.Input<{
        /**
         * Merged into openclaw.json. No secrets: previews show it. See docs/openclaw-settings.md.
         *
         * @default {}
         */
        readonly settings?: pulumi.Input<Readonly<Record<string, unknown>>> | undefined;
        /**
         * Npm registry that hosts install from; if not set, the one of the operator's npm. Value: URL.
         *
         * @default not set
         */
        readonly registry?: pulumi.Input<string> | undefined;
      }>
    | undefined;

  readonly server?:
    | pulumi.Input<{
        /**
         * 2 cores, 4 GB: the gateway takes about 740 MiB, its limit is 2 GiB. Value: Hetzner's name.
         *
         * @default "cx23"
         */
        readonly type?: pulumi.Input<string> | undefined;
        /**
         * Read at creation; a change replaces the server.
         *
         * @default "debian-13"
         */
        readonly image?: pulumi.Input<"debian-13" | "debian-12"> | undefined;
        /**
         * A change replaces the server and its address. Value: Hetzner's name.
         *
         * @default "nbg1"
         */
        readonly location?: pulumi.Input<string> | undefined;
        /**
         * Hetzner's daily backups, which cost a fifth of the server's price.
         *
         * @default false
         */
        readonly backups?: pulumi.Input<boolean> | undefined;
      }>
    | undefined;

  readonly tailnet?:
    | {
        /**
         * `false`: the host leaves the tailnet, and an SSH tunnel leads to the dashboard.
         *
         * @default true
         */
        readonly enabled?: boolean | undefined;
        /**
         * The host's tags; the policy's grant is for the first one, so hosts that share it share their users.
         *
         * @default ["tag:monoclaw"]
         */
        readonly tags?: readonly string[] | undefined;
        /**
         * HTTPS with a certificate from Tailscale's service. With a `loginServer` of your own the default is `false`: HTTP, within WireGuard.
         *
         * @default `true`
         */
        readonly https?: boolean | undefined;
        /**
         * SSH comes in over the tailnet alone, and no port is open to the Internet; in two steps, see docs/tailnet.md#ssh-over-the-tailnet-alone.
         *
         * @default false
         */
        readonly sshOnly?: boolean | undefined;
        /**
         * The other value, during a change of `sshOnly`: both ways are open as long as it is set.
         *
         * @default not set
         */
        readonly previousSshOnly?: boolean | undefined;
        /**
         * Where this machine reaches the host on the tailnet, with `sshOnly`: its MagicDNS name, or an IP address. Value: address or name.
         *
         * @default the host's name
         */
        readonly address?: string | undefined;
        /**
         * A control server other than Tailscale's; the provider needs its API at `tailscale:baseUrl`. Value: URL.
         *
         * @default not set
         */
        readonly loginServer?: string | undefined;

        readonly archive?:
          | {
              /**
               * Where hosts get Tailscale: a folder with its static archives, named as the official ones. Value: URL.
               *
               * @default Tailscale's own
               */
              readonly baseUrl?: string | undefined;

              readonly sha256?:
                | {
                    /**
                     * Of the archive of the pinned version, in 64 hex digits, or the path of a file that holds it. Value: SHA-256, or path.
                     *
                     * @default Tailscale's own
                     */
                    readonly amd64?: string | undefined;
                    /**
                     * The same for arm64. Value: SHA-256, or path.
                     *
                     * @default Tailscale's own
                     */
                    readonly arm64?: string | undefined;
                  }
                | undefined;
            }
          | undefined;
      }
    | undefined;
}
