import * as pulumi from "@pulumi/pulumi";
import { type BootstrapArgs, existingScript } from "./bootstrap";
import type { ExistingInputs } from "./hostSettings";
import { Bootstrap } from "./layer";
import type { Machine } from "./machine";

/** What an existing machine is made a host with. */
export interface ExistingHostArgs {
  readonly existing: ExistingInputs;
  /** What the machine is told at its bootstrap. Read once. */
  readonly bootstrap: pulumi.Input<BootstrapArgs>;
}

/** A machine that was there before the stack, and stays when the stack goes. */
export class ExistingHost extends pulumi.ComponentResource implements Machine {
  /** IP address or DNS name, as configured. */
  readonly address: pulumi.Output<string>;
  /** The pinned host key, which a machine keeps when its address changes; without one the address. */
  readonly machineId: pulumi.Output<string>;
  /** The machine's own key, pinned or found at the bootstrap. */
  readonly hostKey: pulumi.Output<string>;
  /** Nothing: the machine stays. */
  readonly deletedWith = undefined;

  constructor(name: string, args: ExistingHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:ExistingHost", name, {}, opts);
    const { existing } = args;
    const machineId = existing.hostKey ?? existing.address;
    const script = pulumi.output(args.bootstrap).apply(existingScript);
    const bootstrap = new Bootstrap(name, { existing, machineId, script }, { parent: this });
    this.address = pulumi.output(existing.address);
    this.machineId = pulumi.output(machineId);
    this.hostKey = bootstrap.hostKey;
    this.registerOutputs({ address: this.address, machineId: this.machineId });
  }
}
