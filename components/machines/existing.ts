import * as pulumi from "@pulumi/pulumi";
import { bootstrapArgs, existingScript } from "../bootstrap";
import { Bootstrap } from "../contact";
import type { Machine, MachineArgs } from "./machine";

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

  constructor(name: string, { settings, ways, trust }: MachineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:ExistingHost", name, {}, opts);
    const { existing } = settings;
    if (existing === undefined) throw new TypeError(`${name}: the settings are for another target`);
    const machineId = existing.hostKey ?? existing.address;
    const script = bootstrapArgs(settings, ways, trust).apply(existingScript);
    const bootstrap = new Bootstrap(name, { existing, machineId, script }, { parent: this });
    this.address = pulumi.output(existing.address);
    this.machineId = pulumi.output(machineId);
    this.hostKey = bootstrap.hostKey;
    this.registerOutputs({ address: this.address, machineId: this.machineId });
  }
}
