import * as pulumi from "@pulumi/pulumi";
import { openClawPackages } from "../../lib/openclawPackages";
import { gatewayPort, managedSettings, type JsonObject } from "../../lib/openclawSettings";
import { readTemplate, render } from "../../lib/render";
import { hereDocument, quote, quoteAll } from "../../lib/shell";
import { dashboardOrigin } from "./dashboard";
import type { LayerDefinition } from "./definition";
import { hostText } from "./files";

/** What the gateway layer needs to know. */
export interface GatewayArgs {
  /** The stack's own settings of openclaw.json. */
  readonly settings: JsonObject;
  /** Where browsers find the dashboard, beside an SSH tunnel's. */
  readonly origins?: readonly string[];
  /** `MemoryMax=` of the service, a number with M or G. */
  readonly memoryMax: string;
  /** `TasksMax=` of the service. */
  readonly tasksMax: number;
}

/** The sandbox's groups of directives that a host may be unable to do, in the order in which they are tried. */
export const sandboxGroups = [
  "files",
  "processes",
  "devices",
  "users",
  "hostname",
  "network",
  "ports",
  "calls",
] as const satisfies readonly string[];

/** openclaw.service in parts, to be written one after the other: `unit` and `user` are always there, groups may be left out. */
export function gatewayUnit({
  memoryMax,
  tasksMax,
}: Pick<GatewayArgs, "memoryMax" | "tasksMax">): ReadonlyMap<string, string> {
  const { id } = openClawPackages();
  return new Map([
    [
      "unit",
      hostText("etc/systemd/system/openclaw.service", {
        id,
        memoryMax,
        tasksMax,
        heapMax: heapOf(memoryMax),
      }),
    ],
    ...["user", ...sandboxGroups].map((group): [string, string] => [
      group,
      group === "ports"
        ? render("layers/gateway/sandbox/ports.conf.mustache", { port: gatewayPort })
        : readTemplate(`layers/gateway/sandbox/${group}.conf`),
    ]),
  ]);
}

/** Script of the gateway layer (requirements: Loopback, Sandbox, Containers). */
export function gatewayScript({ settings, origins, ...limits }: GatewayArgs): string {
  return render("layers/gateway/apply.sh", {
    // A change of version changes this layer too, so that the service moves to the new folder.
    id: quote(openClawPackages().id),
    port: gatewayPort,
    settings: hereDocument(JSON.stringify(managedSettings(settings, origins), null, 2) + "\n"),
    groups: quoteAll(sandboxGroups),
    parts: [...gatewayUnit(limits)].map(([name, text]) => ({ name, text: hereDocument(text) })),
  });
}

/** Node.js's heap limit in MiB: 60 % of the service's memory, the rest is for buffers, code and helper processes. */
function heapOf(memoryMax: string): number {
  return Math.floor((bytes(memoryMax) / 1024 ** 2) * 0.6);
}

/** As `systemctl show` gives it: bytes. */
function bytes(memoryMax: string): number {
  return Number.parseInt(memoryMax, 10) * 1024 ** (memoryMax.endsWith("G") ? 3 : 2);
}

export const gatewayLayer: LayerDefinition = {
  name: "gateway",
  after: ["gateway-token"],
  script: ({ content, membership, layers }) =>
    pulumi
      .all([dashboardOrigin({ membership, layers }), content.openclaw, content.limits])
      .apply(([origin, { settings }, limits]) =>
        gatewayScript({ settings, origins: origin === undefined ? [] : [origin], ...limits }),
      ),
  expected: ({ content }) =>
    content.limits.apply(({ memoryMax, tasksMax }) => ({ memoryMax: bytes(memoryMax), tasksMax })),
};
