import * as pulumi from "@pulumi/pulumi";
import { gatewayPort } from "../../lib/openclawSettings";
import { render } from "../../lib/render";
import { quote } from "../../lib/shell";
import type { Expected, LayerDefinition, ScriptParts } from "./definition";
import type { TailnetHost } from "./tailnet";

/** What the gateway's address on the tailnet starts with, and its port there. */
function dashboardScheme(https: boolean): { readonly scheme: "http" | "https"; readonly port: 80 | 443 } {
  return https ? { scheme: "https", port: 443 } : { scheme: "http", port: 80 };
}

/**
 * Script of the dashboard layer: serves the gateway on the tailnet, and nothing else (requirements: Tailscale Serve). Its answer has
 * a line `dashboard: https://NAME`, see {@link dashboardUrl}.
 */
export function dashboardScript({ https, hostname, newKey }: TailnetHost): string {
  return render("layers/dashboard/apply.sh", {
    ...dashboardScheme(https),
    gatewayPort,
    hostname: quote(hostname),
    newKey: quote(newKey),
  });
}

/** What the host's own audit compares with. */
function expectedDashboard({ https }: Pick<TailnetHost, "https">): Expected {
  return { dashboard: dashboardScheme(https).scheme };
}

/**
 * The dashboard's address, from the dashboard layer's answer: also the origin that browsers send. It becomes part of the gateway's
 * settings, so it must be what the stack itself knows: the host's own name, or that with the number which Tailscale gives to a
 * second device of that name, in a tailnet's domain.
 *
 * @param answer - what the host signed
 * @param host - the host's place on the tailnet
 * @throws Error if the answer has no such address, or another one beside it
 */
export function dashboardUrl(answer: string, { https, hostname }: Pick<TailnetHost, "https" | "hostname">): string {
  const [line = "", ...others] = answer.split("\n").filter((each) => /^dashboard: [a-z]+:\/\//.test(each));
  const [, url = "", name = "", domain = ""] = /^dashboard: (https?:\/\/([a-z0-9-]+)\.([a-z0-9.-]+))$/.exec(line) ?? [];
  const { scheme } = dashboardScheme(https);
  const isOwn = name === hostname || (name.startsWith(`${hostname}-`) && /^\d+$/.test(name.slice(hostname.length + 1)));
  const isDomain = domain.split(".").every((label) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label));
  if (others.length > 0 || !isOwn || !isDomain || !url.startsWith(`${scheme}://`)) {
    throw new Error(
      `the dashboard layer's answer doesn't have just one ${scheme} address of a device called ${hostname}`,
    );
  }
  return url;
}

/** Where browsers find the dashboard on the tailnet, as the host's answer says; `undefined`: the host is on none. */
export function dashboardOrigin({
  membership,
  layers,
}: Pick<ScriptParts, "membership" | "layers">): pulumi.Output<string> | undefined {
  const served = layers.get(dashboardLayer.name);
  if (membership === undefined || served === undefined) return undefined;
  return pulumi.all([served.answer, membership.host]).apply(([answer, host]) => dashboardUrl(answer, host));
}

export const dashboardLayer: LayerDefinition = {
  name: "dashboard",
  after: ["tailnet"],
  script: ({ membership }) => membership?.host.apply(dashboardScript),
  expected: ({ membership }) => membership?.host.apply(expectedDashboard) ?? {},
};
