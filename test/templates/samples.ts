import { type BootstrapArgs, bootstrapScript } from "../../components/bootstrap";
import { firewallScript } from "../../components/layers/firewall";
import { gatewayScript } from "../../components/layers/gateway";
import { gatewayTokenScript } from "../../components/layers/gatewayToken";
import { openclawScript } from "../../components/layers/openclaw";
import { receiverScript } from "../../components/layers/receiver";
import { sshScript } from "../../components/layers/ssh";
import { usersScript } from "../../components/layers/users";
import { hostId } from "../../lib/envelope";
import { sshKeyPair } from "../../lib/keys";

const signing = sshKeyPair("01".repeat(32), "monoclaw-signing").publicKey;

/** A host's settings that no test changes: what a stack gives its bootstrap and its layers. */
export const sample = {
  primaryUser: "ops",
  sshPorts: [22022],
  authorizedKeys: [sshKeyPair("02".repeat(32), "me@laptop").publicKey],
  deployPublicKey: sshKeyPair("03".repeat(32), "monoclaw-deploy").publicKey,
  hostId: hostId(signing),
  allowedSigners: `monoclaw namespaces="monoclaw-layer" ${signing}`,
} as const satisfies BootstrapArgs;

/** The single-use host key of the sample. */
export const sampleHostKey = sshKeyPair("04".repeat(32), "monoclaw-bootstrap");

/** The scripts of all layers, by name, as the sample's host gets them. */
export function sampleLayers(): Readonly<Record<string, string>> {
  return {
    receiver: receiverScript(),
    users: usersScript(sample),
    ssh: sshScript(sample),
    firewall: firewallScript(sample),
    openclaw: openclawScript({ registry: "https://registry.example/" }),
    "gateway-token": gatewayTokenScript({ token: "0".repeat(64) }),
    gateway: gatewayScript({ settings: {}, memoryMax: "2G", tasksMax: 100 }),
  };
}

/** The script that a new host runs first. */
export function sampleBootstrap(): string {
  return bootstrapScript(sample);
}
