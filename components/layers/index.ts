import * as pulumi from "@pulumi/pulumi";
import { auditLayer } from "./audit";
import { dashboardLayer } from "./dashboard";
import type { Expected, HostParts, LayerDefinition } from "./definition";
import { fail2banLayer } from "./fail2ban";
import { firewallLayer } from "./firewall";
import { gatewayLayer } from "./gateway";
import { gatewayTokenLayer } from "./gatewayToken";
import { kernelLayer } from "./kernel";
import { managementLayer } from "./management";
import { openclawLayer } from "./openclaw";
import { packagesLayer } from "./packages";
import { receiverLayer } from "./receiver";
import { sshLayer } from "./ssh";
import { tailnetLayer } from "./tailnet";
import { tailscaleLayer } from "./tailscale";
import { updatesLayer } from "./updates";
import { usersLayer } from "./users";

/** All layers, each behind those that it comes after. What doesn't wait for one another runs side by side. */
export const layers: readonly LayerDefinition[] = [
  receiverLayer,
  usersLayer,
  packagesLayer,
  // Both must be confirmed in time, so they come after the packages: a slow mirror must not eat that time up.
  sshLayer,
  firewallLayer,
  // What else knows the ports comes after: a host that puts a new port back has nothing to take back then.
  fail2banLayer,
  managementLayer,
  kernelLayer,
  updatesLayer,
  openclawLayer,
  gatewayTokenLayer,
  tailscaleLayer,
  tailnetLayer,
  dashboardLayer,
  gatewayLayer,
  auditLayer,
];

/** What a host's own audit compares with, of all layers. */
export function expectedOf(parts: HostParts): pulumi.Output<Expected> {
  const each = layers.map(({ expected }) => expected?.(parts) ?? {});
  return pulumi.output(each).apply((all) => Object.fromEntries(all.flatMap((one) => Object.entries(one))));
}
