import { type BootstrapArgs, bootstrapScript, existingScript } from "../../components/bootstrap";
import { auditScript } from "../../components/layers/audit";
import { dashboardScript } from "../../components/layers/dashboard";
import { fail2banScript } from "../../components/layers/fail2ban";
import { firewallScript } from "../../components/layers/firewall";
import { gatewayScript } from "../../components/layers/gateway";
import { gatewayTokenScript } from "../../components/layers/gatewayToken";
import { kernelScript } from "../../components/layers/kernel";
import { managementScript } from "../../components/layers/management";
import { openclawScript } from "../../components/layers/openclaw";
import { packagesScript } from "../../components/layers/packages";
import { receiverScript } from "../../components/layers/receiver";
import { tailnetScript } from "../../components/layers/tailnet";
import { tailscaleScript } from "../../components/layers/tailscale";
import { sshScript } from "../../components/layers/ssh";
import { updatesScript } from "../../components/layers/updates";
import { usersScript } from "../../components/layers/users";
import type { SshWays } from "../../lib/sshWays";
import { hostId } from "../../lib/envelope";
import { sshKeyPair } from "../../lib/keys";

const signing = sshKeyPair("01".repeat(32), "monoclaw-signing").publicKey;

/** A host's settings that no test changes: what a stack gives its bootstrap and its layers. */
export const sample = {
  primaryUser: "ops",
  sshPorts: [22022],
  open: [{ reach: "public", port: 22022 }] as const,
  authorizedKeys: [sshKeyPair("02".repeat(32), "me@laptop").publicKey],
  deployPublicKey: sshKeyPair("03".repeat(32), "monoclaw-deploy").publicKey,
  hostId: hostId(signing),
  allowedSigners: `monoclaw namespaces="monoclaw-layer" ${signing}`,
} as const satisfies BootstrapArgs & Pick<SshWays, "open">;

/** The single-use host key of the sample. */
export const sampleHostKey = sshKeyPair("04".repeat(32), "monoclaw-bootstrap");

const limits = { memoryMax: "2G", tasksMax: 100 };
const fail2ban = { maxretry: 5, findtime: 600, bantime: 3600, ignoreip: ["192.0.2.0/24"] };
const updates = { reboot: "none", rebootTime: "04:30" } as const;

/** A pinned Tailscale. */
export const sampleArchive = {
  baseUrl: "https://archive.example/stable/",
  sha256: { amd64: "a".repeat(64), arm64: "b".repeat(64) },
} as const;

/** A place on a tailnet. */
export const sampleTailnet = {
  hostname: "gateway",
  tags: ["tag:monoclaw"],
  loginServer: undefined,
  https: true,
  newKey: "pulumi up --replace 'URN'",
} as const;

/** The scripts of all layers, by name, as the sample's host gets them. */
export function sampleLayers(): Readonly<Record<string, string>> {
  return {
    receiver: receiverScript(),
    users: usersScript(sample),
    management: managementScript({ primaryUser: sample.primaryUser, sshPorts: "22022" }),
    kernel: kernelScript("hardened"),
    packages: packagesScript(),
    ssh: sshScript(sample),
    firewall: firewallScript(sample),
    fail2ban: fail2banScript({ ...sample, ...fail2ban }),
    updates: updatesScript(updates),
    openclaw: openclawScript({ registry: "https://registry.example/" }),
    "gateway-token": gatewayTokenScript({ token: "0".repeat(64) }),
    gateway: gatewayScript({ settings: {}, ...limits }),
    tailscale: tailscaleScript({ archive: sampleArchive }),
    "no-tailscale": tailscaleScript({ archive: undefined }),
    tailnet: tailnetScript({ ...sampleTailnet, authKey: "tskey-auth-sample" }),
    dashboard: dashboardScript(sampleTailnet),
    audit: auditScript([{ name: "ssh", digest: "a".repeat(64) }]),
  };
}

/** The script that a new host runs first. */
export function sampleBootstrap(): string {
  return bootstrapScript(sample);
}

/** The script that an existing machine runs first. */
export function sampleExisting(): string {
  return existingScript(sample);
}
