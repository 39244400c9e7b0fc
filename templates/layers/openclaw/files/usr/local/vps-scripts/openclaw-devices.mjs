// The browsers and other devices that the gateway knows: lists them, lets one in, sends one away. Prints one line of JSON.
// Runs as user openclaw.
//
// It comes as a process of this host that has the gateway's token: as no device, so that it leaves none behind.
//
// usage: node openclaw-devices.mjs FOLDER list | approve REQUEST | forget REQUEST-OR-DEVICE
import { connect } from "./openclaw-client.mjs";

const [folder = "", command = "list", id = ""] = process.argv.slice(2);

/** What the command does with the gateway; its answer is what is printed. */
async function run(client) {
  const { pending, paired } = await client.request("device.pair.list", {});
  const request = pending.find(({ requestId }) => requestId === id);
  const device = paired.find(({ deviceId }) => deviceId === id);
  if (command === "list") {
    return { pending, paired };
  }
  if (command === "approve" && request !== undefined) {
    // What a request asks for doesn't change under its id: OpenClaw gives one that asks for more a new id.
    return { approved: (await client.request("device.pair.approve", { requestId: id })).device };
  }
  if (command === "forget" && request !== undefined) {
    await client.request("device.pair.reject", { requestId: id });
    return { rejected: request };
  }
  if (command === "forget" && device !== undefined) {
    await client.request("device.pair.remove", { deviceId: id });
    return { removed: device };
  }
  return { unknown: id };
}

try {
  const scopes = ["operator.admin", "operator.pairing"];
  const client = await connect(folder, { clientName: "gateway-client", mode: "backend", deviceIdentity: null, scopes });
  try {
    console.log(JSON.stringify(await run(client)));
  } finally {
    await client.stopAndWait({ timeoutMs: 1_000 });
  }
} catch (error) {
  console.log(JSON.stringify({ error: error.message }));
}
