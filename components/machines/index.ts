import type * as pulumi from "@pulumi/pulumi";
import type { PreparedSettings } from "../hostSettings";
import { ExistingHost } from "./existing";
import { Vps } from "./hetzner";
import type { Machine, MachineArgs } from "./machine";

export type { Machine } from "./machine";

type Make = (name: string, args: MachineArgs, opts: pulumi.ComponentResourceOptions) => Machine;

/** How a machine comes into being, by `monoclaw:target`. */
export const machines: Readonly<Record<PreparedSettings["target"], Make>> = {
  hcloud: (name, args, opts) => new Vps(name, args, opts),
  existing: (name, args, opts) => new ExistingHost(name, args, opts),
};
