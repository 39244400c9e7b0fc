// OpenClaw's own audit with its live probe of the gateway; prints the report as JSON. Runs as user openclaw.
//
// The probe shows itself as a device with the scope operator.read; without one the gateway answers it nothing. So this
// pairs one for as long as the audit runs: a device would outlive a new token. It gives no right that the token, which
// lies in this user's folder, doesn't give.
//
// usage: node openclaw-audit.mjs FOLDER      FOLDER: where OpenClaw is installed
import { spawn } from "node:child_process";
import * as path from "node:path";
import { connect } from "./openclaw-client.mjs";

const [folder = ""] = process.argv.slice(2);
const displayName = "monoclaw-security";
/** May read, and may take itself out again. */
const scopes = ["operator.read", "operator.pairing"];

/** Runs OpenClaw's own command; its exit code. */
function audit() {
  const command = path.join(folder, "bin/openclaw");
  const child = spawn(process.execPath, [command, "security", "audit", "--deep", "--json"], { stdio: "inherit" });
  return new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
}

/** The device that this came as, or nothing if a person has paired this user's device for more than reading. */
async function ownDevice(client) {
  const { paired } = await client.request("device.pair.list", {});
  const own = (device) => device.displayName === displayName && device.scopes.every((scope) => scopes.includes(scope));
  return paired.find(own)?.deviceId;
}

let client;
let deviceId;
try {
  client = await connect(folder, { clientName: "cli", mode: "probe", clientDisplayName: displayName, scopes });
  deviceId = await ownDevice(client);
} catch (error) {
  console.error(`openclaw-audit: ${error.message}`); // the audit says so, too, as a warning
}
try {
  process.exitCode = (await audit()) ?? 1;
} finally {
  if (deviceId !== undefined) {
    await client.request("device.pair.remove", { deviceId });
  }
  await client?.stopAndWait({ timeoutMs: 1_000 });
}
