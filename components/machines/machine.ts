import type * as pulumi from "@pulumi/pulumi";
import type { SshWays } from "../../lib/sshWays";
import type { PreparedSettings } from "../hostSettings";
import type { Trust } from "../trust";

/** What a machine is made with. */
export interface MachineArgs {
  readonly settings: PreparedSettings;
  /** The ways in for SSH. */
  readonly ways: SshWays;
  /** The keys that it gets at its bootstrap. */
  readonly trust: Trust;
}

/** A machine that a host is made of, ready for its first contact: rented (`Vps`) or there already (`ExistingHost`). */
export interface Machine {
  /** IP address or DNS name. */
  readonly address: pulumi.Output<string>;
  /** Changes when another machine takes its place, which then gets every layer anew. */
  readonly machineId: pulumi.Output<string>;
  /** Public host key that the first contact must find, type and key. */
  readonly hostKey: pulumi.Output<string>;
  /** The resource that takes all that is on the machine along when it goes; `undefined` if the machine stays. */
  readonly deletedWith: pulumi.Resource | undefined;
}
