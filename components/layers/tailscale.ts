import { createHash } from "node:crypto";
import { gatewayPort } from "../../lib/openclawSettings";
import { readTemplate, render } from "../../lib/render";
import { type TailscaleArchive, tailscaleVersion } from "../../lib/config";
import { quote } from "../../lib/shell";
import { hostFile } from "./files";

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

const unit = "etc/systemd/system/tailscaled.service";
/** Tailscale's own control server, as `tailscale debug prefs` names it. */
const officialServer = "https://controlplane.tailscale.com";

/** Where a version lies below /opt/tailscale: a new hash is a new folder. */
export function tailscaleId({ sha256 }: TailscaleArchive): string {
  return `${tailscaleVersion}-${sha256.amd64.slice(0, 6)}${sha256.arm64.slice(0, 6)}`;
}

/** The control server's address, as the host is to have it. */
export function controlServer({ loginServer }: Pick<TailnetHost, "loginServer">): string {
  return loginServer?.replace(/\/$/, "") ?? officialServer;
}

/** What the gateway's address on the tailnet starts with, and its port there. */
export function dashboardScheme(https: boolean): { readonly scheme: "http" | "https"; readonly port: 80 | 443 } {
  return https ? { scheme: "https", port: 443 } : { scheme: "http", port: 80 };
}

/**
 * Script of the tailscale layer: installs the pinned Tailscale and starts its daemon (requirements: Tailscale Serve). It comes after
 * the users layer, which changes accounts too, and the management layer, which brings the scripts that the tailnet's layers share.
 *
 * @param archive - `undefined`: no tailnet, so the host leaves the one that it is on, and what the layer had installed goes
 */
export function tailscaleScript({ archive }: { readonly archive: TailscaleArchive | undefined }): string {
  if (archive === undefined) {
    return readTemplate("layers/no-tailscale.sh");
  }
  return render("layers/tailscale.sh", {
    id: quote(tailscaleId(archive)),
    version: quote(tailscaleVersion),
    baseUrl: quote(archive.baseUrl),
    amd64: quote(archive.sha256.amd64),
    arm64: quote(archive.sha256.arm64),
    unit: hostFile(unit),
  });
}

/** Script of the tailnet layer: the host joins (requirements: Tailscale Serve). The script is a secret: it holds the auth key. */
export function tailnetScript({ authKey, ...host }: TailnetHost & { readonly authKey: string }): string {
  return render("layers/tailnet.sh", {
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
  return render("layers/leave.sh", { soon });
}

/**
 * Script of the dashboard layer: serves the gateway on the tailnet, and nothing else (requirements: Tailscale Serve). Its answer has
 * a line `dashboard: https://NAME`, see {@link dashboardUrl}.
 */
export function dashboardScript({ https, hostname, newKey }: TailnetHost): string {
  return render("layers/dashboard.sh", {
    ...dashboardScheme(https),
    gatewayPort,
    hostname: quote(hostname),
    newKey: quote(newKey),
  });
}

/** What the host's own audit compares with. */
export function expectedTailnet(host: (TailnetHost & { readonly archive: TailscaleArchive }) | undefined) {
  return host === undefined
    ? { tailnet: "off" }
    : {
        tailnet: controlServer(host),
        tailscale: tailscaleId(host.archive),
        tailscaled: createHash("sha256")
          .update(readTemplate(`host/${unit}`))
          .digest("hex")
          .slice(0, 16),
        hostname: host.hostname,
        dashboard: dashboardScheme(host.https).scheme,
        newKey: host.newKey,
      };
}

/**
 * The dashboard's address, from the dashboard layer's answer: also the origin that browsers send. It becomes part of the gateway's
 * settings, so it must be what the stack itself knows: the host's own name, or that with the number which Tailscale gives to a
 * second device of that name, in a tailnet's domain.
 *
 * @param answer - what the host signed
 * @param host - the host's place on the tailnet
 * @throws Error if the answer has no such address
 */
export function dashboardUrl(answer: string, { https, hostname }: Pick<TailnetHost, "https" | "hostname">): string {
  const [, url = "", name = "", domain = ""] =
    /^dashboard: (https?:\/\/([a-z0-9-]+)\.([a-z0-9.-]+))$/m.exec(answer) ?? [];
  const { scheme } = dashboardScheme(https);
  const isOwn = name === hostname || (name.startsWith(`${hostname}-`) && /^\d+$/.test(name.slice(hostname.length + 1)));
  const isDomain = domain.split(".").every((label) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label));
  if (!isOwn || !isDomain || !url.startsWith(`${scheme}://`)) {
    throw new Error(`the dashboard layer's answer has no ${scheme} address of a device called ${hostname}`);
  }
  return url;
}
