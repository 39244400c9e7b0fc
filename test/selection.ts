import { readdirSync } from "node:fs";
import { join } from "node:path";

/** A test file to run, and which of its tests. */
export interface Selected {
  readonly file: string;
  /** Regular expression of test names; all without. */
  readonly names?: string;
}

const root = join(__dirname, "..");
const UNIT = ["test/unit", "test/components", "test/templates", "test/toolchain/unit", "test/lab/unit"];

function inFolder(folder: string): readonly Selected[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".test.ts"));
  return names.sort().map((name) => ({ file: `${folder}/${name}` }));
}

function e2e(...names: readonly string[]): readonly Selected[] {
  return names.map((name) => ({ file: `test/e2e/${name}.test.ts` }));
}

function attacks(name: string): Selected {
  return { file: `test/attacks/${name}.test.ts` };
}

function part(name: string, names: string): Selected {
  return { file: `test/e2e/${name}.test.ts`, names };
}

/** Whether hosts that other files wait for come from this one, when none like them are kept yet. */
export function isAwaited(file: string): boolean {
  return file === "test/e2e/newHost.test.ts" || file === "test/e2e/dashboard.test.ts";
}

/** A layer's rows on a host, each broken once and mended by the layer's own envelope. */
const rows = e2e("layerRows");

/** Tailscale from its archive to a dashboard that opens. */
const onTailnet = [part("tailscale", "not installed|another hash|install it, join")];

/**
 * The layers of components/layers/index.ts, and what proves each on a host within a minute. What takes longer, or is about several layers at
 * once (a moved port, faults, reboots, other distributions), is in the whole run.
 */
const byLayer: Readonly<Record<string, readonly Selected[]>> = {
  receiver: [...e2e("envelopes"), ...rows],
  users: [attacks("sudo"), attacks("keys"), part("host", "Restricted Sudo|User Isolation|File Permissions"), ...rows],
  packages: [part("failure", "apt"), part("interrupted", "apt")],
  ssh: [part("host", "^SSH|get no login"), part("interrupted", "ssh layer|AllowUsers"), attacks("places"), ...rows],
  firewall: [part("host", "[Ff]irewall|Loopback|metadata"), part("interrupted", "a firewall that closes"), ...rows],
  fail2ban: [...e2e("fail2ban"), attacks("bans"), ...rows],
  management: [
    ...e2e("managementConfig"),
    part("management", "one screen|what needs attention|monoclaw-logs"),
    ...rows,
  ],
  kernel: [...e2e("kernel"), ...rows],
  updates: [...e2e("updates"), ...rows],
  openclaw: [part("host", "gateway|openclaw"), part("audit", "no layer mends")],
  "gateway-token": [part("host", "openclaw.json|File Permissions"), ...rows],
  tailscale: onTailnet,
  tailnet: onTailnet,
  dashboard: [...onTailnet, ...e2e("devices")],
  gateway: [
    part("host", "Systemd Service Hardening|gateway|openclaw"),
    part("sandbox", "the unit on the host"),
    attacks("planted"),
  ],
  audit: [part("audit", "every row passes|has a mutation|options|how much"), ...e2e("gate")],
};

const TAILNET = ["dashboard", "devices", "sshOnly", "tailnet", "tailscale"];
const FAULTS = ["clock", "failure", "interrupted", "kept", "killed", "reboot", "restored", "spool"];

/** The layers that {@link ofLayer} knows. */
export const layerNames: readonly string[] = Object.keys(byLayer);

/** The tests of a layer: all that need no host, and those on hosts that concern it. @throws an Error that lists the layers */
export function ofLayer(layer: string): readonly Selected[] {
  const own = Object.hasOwn(byLayer, layer) ? byLayer[layer] : undefined;
  if (own === undefined) throw new Error(`there is no layer ${layer}: ${layerNames.join(", ")}`);
  return [...inFolder("test/components"), ...inFolder("test/templates"), ...own];
}

/** The tests of a kind. @throws an Error that lists the kinds */
export function ofKind(kind: string): readonly Selected[] {
  const others = new Set(e2e(...TAILNET, ...FAULTS).map(({ file }) => file));
  const byKind: Readonly<Record<string, () => readonly Selected[]>> = {
    unit: () => UNIT.flatMap(inFolder),
    host: () => [
      ...inFolder("test/e2e").filter(({ file }) => !others.has(file)),
      ...inFolder("test/toolchain"),
      { file: "test/lab/e2e.test.ts" },
    ],
    tailnet: () => [...e2e(...TAILNET), { file: "test/lab/tailnet.test.ts" }],
    faults: () => e2e(...FAULTS),
    attacks: () => inFolder("test/attacks"),
    upgrade: () => inFolder("test/upgrade"),
    judges: () => inFolder("test/judges"),
  };
  const files = Object.hasOwn(byKind, kind) ? byKind[kind] : undefined;
  if (files === undefined) throw new Error(`there is no kind ${kind}: ${Object.keys(byKind).join(", ")}`);
  return files();
}
// Files of a layer that haven't its name, by what their paths begin with.
const FILES: readonly (readonly [start: string, layers: readonly string[]])[] = [
  ["components/layers/gatewayToken.", ["gateway-token"]],
  ["components/layers/confirm.", ["ssh", "firewall"]],
  ["templates/runtime/files/usr/local/vps-scripts/audit", ["audit"]],
  ["templates/runtime/files/usr/local/vps-scripts/monoclaw-", ["management"]],
];

/** Layers that changed files belong to; `everything` if one of the files concerns them all. Documentation and tests concern none. */
export function layersTouchedBy(paths: readonly string[]): { layers: readonly string[]; everything: boolean } {
  const found = new Set<string>();
  let everything = false;
  for (const path of paths) {
    if (/^(?:docs|bench)\/|\.md$/.test(path) || /^test\/.*\.test\.ts$/.test(path)) continue;
    const layers = layersOf(path);
    if (layers === undefined) everything = true;
    else for (const layer of layers) found.add(layer);
  }
  return { layers: [...found].sort(), everything };
}

function layersOf(path: string): readonly string[] | undefined {
  const other = FILES.find(([start]) => path.startsWith(start));
  if (other !== undefined) return other[1];
  const own = /^(?:components|templates)\/layers\/([a-z0-9-]+)(?:\.ts$|\/)/.exec(path)?.[1];
  if (own === undefined || !Object.hasOwn(byLayer, own)) return undefined;
  const script = /\/usr\/local\/vps-scripts\/(.*)$/.exec(path)?.[1];
  if (script === undefined) return [own];
  // Other layers use the rest of the scripts, too.
  return script.startsWith("audit-") ? [own, "audit"] : undefined;
}
