import type * as pulumi from "@pulumi/pulumi";
import type { TailscaleArchive } from "../../lib/config";
import type { SshWays } from "../../lib/sshWays";
import type { GatewayToken } from "../gatewayToken";
import type { PreparedSettings } from "../hostSettings";
import type { Layer } from "../layer";
import type { Membership } from "../tailnet";

/** What a host's layers are made from. What a resource makes or holds may be known later. */
export interface HostParts {
  readonly primaryUser: string;
  /** The ways in for SSH. */
  readonly ways: SshWays;
  /** The settings that only layers and resources hold. */
  readonly content: PreparedSettings["content"];
  /** Public key of the stack, which may only hand in envelopes. */
  readonly deployPublicKey: pulumi.Output<string>;
  readonly token: Pick<GatewayToken, "token" | "rotateCommand">;
  /** Where the host gets Tailscale; `undefined`: it is on no tailnet. */
  readonly archive: TailscaleArchive | undefined;
  /** The host's place on its tailnet and its way in there; `undefined`: it is on none. */
  readonly membership: Membership | undefined;
}

/** What the host's own audit compares with: lines KEY=VALUE of `/etc/monoclaw/expected`. */
export type Expected = Readonly<Record<string, string | number | boolean>>;

/** What a layer's script is made from. */
export interface ScriptParts extends HostParts {
  /** What the host's own audit compares with, of all layers. */
  readonly expected: pulumi.Output<Expected>;
  /** The layers that are declared already, by name. */
  readonly layers: ReadonlyMap<string, Layer>;
}

/** One concern of a host, as `layers` in index.ts lists it. */
export interface LayerDefinition {
  /** As the host knows it, and the resource's name after the host's. */
  readonly name: string;
  /**
   * The layers that must be in force before it; of those that are confirmed, the confirmation.
   *
   * @default all that are listed before it
   */
  readonly after?: readonly string[];
  /** The script that the host's root runs; `undefined`: this host has no such layer. */
  readonly script: (parts: ScriptParts) => pulumi.Input<string> | undefined;
  /** True if the script holds a secret. @default false */
  readonly secret?: true;
  /** True if the host takes it back unless a new connection confirms it. @default false */
  readonly confirmed?: true;
  /** What the host's own audit compares with, in its part. */
  readonly expected?: (parts: HostParts) => pulumi.Input<Expected>;
}
