import * as pulumi from "@pulumi/pulumi";
import { render } from "../../lib/render";
import { quote } from "../../lib/shell";
import type { Expected, LayerDefinition } from "./definition";

/** A host's place on its tailnet. */
export interface TailnetHost {
  /** The name that it asks for; its MagicDNS name may differ if another device has it. */
  readonly hostname: string;
  /** The tags that its auth key gives it. */
  readonly tags: readonly string[];
  /** URL of the control server; `undefined`: Tailscale's own. */
  readonly loginServer: string | undefined;
  /** True: HTTPS on port 443, with a certificate from Tailscale's service. False: HTTP on port 80, within WireGuard. */
  readonly https: boolean;
  /** The command that makes a new auth key. */
  readonly newKey: string;
}

/** Tailscale's own control server, as `tailscale debug prefs` names it. */
const officialServer = "https://controlplane.tailscale.com";

/** The control server's address, as the host is to have it. */
function controlServer({ loginServer }: Pick<TailnetHost, "loginServer">): string {
  return loginServer?.replace(/\/$/, "") ?? officialServer;
}

/** Script of the tailnet layer: the host joins (requirements: Tailscale Serve). The script is a secret: it holds the auth key. */
export function tailnetScript({ authKey, ...host }: TailnetHost & { readonly authKey: string }): string {
  return render("layers/tailnet/apply.sh", {
    authKey: quote(authKey),
    hostname: quote(host.hostname),
    tags: quote([...host.tags].sort().join(",")),
    loginServer: quote(controlServer(host)),
    newKey: quote(host.newKey),
  });
}

/**
 * Script that takes the host off its tailnet, which stands for the tailnet layer when the stack gives the host up.
 *
 * @param soon - two seconds later, as the one who asks comes in over the tailnet
 */
export function leaveScript({ soon }: { readonly soon: boolean }): string {
  return render("layers/tailnet/leave.sh", { soon });
}

/** What the host's own audit compares with. */
function expectedTailnet(host: TailnetHost): Expected {
  return { tailnet: controlServer(host), hostname: host.hostname, newKey: host.newKey };
}

export const tailnetLayer: LayerDefinition = {
  name: "tailnet",
  after: ["tailscale", "packages"],
  secret: true,
  script: ({ membership }) =>
    membership &&
    pulumi.all([membership.authKey, membership.host]).apply(([authKey, host]) => tailnetScript({ ...host, authKey })),
  expected: ({ membership }) => membership?.host.apply(expectedTailnet) ?? {},
};
