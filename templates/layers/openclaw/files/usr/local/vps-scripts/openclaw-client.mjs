// A connection to the gateway for the scripts beside this one, which run as user openclaw.
import * as fs from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";

const patience = 20_000; // ms

/**
 * OpenClaw's own client, connected with the gateway's token.
 *
 * @param folder - where OpenClaw is installed
 * @param options - what it shows itself as: clientName, mode, scopes …, see OpenClaw's GatewayClient
 * @throws if the gateway isn't there in 20 s, or refuses
 */
export async function connect(folder, options) {
  const sdk = path.join(folder, "node_modules/openclaw/dist/plugin-sdk/gateway-runtime.js");
  const { GatewayClient } = await import(pathToFileURL(sdk).href);
  const file = path.join(process.env.HOME ?? "", ".openclaw/openclaw.json");
  const { gateway } = JSON.parse(fs.readFileSync(file, "utf8"));
  const connected = Promise.withResolvers();
  const client = new GatewayClient({
    url: `ws://127.0.0.1:${gateway.port}`,
    token: gateway.auth.token,
    role: "operator",
    ...options,
    onHelloOk: () => connected.resolve(client),
    onConnectError: connected.reject,
    onClose: (code, reason) => connected.reject(new Error(`the gateway hung up (${code} ${reason})`)),
  });
  const timer = setTimeout(() => connected.reject(new Error("the gateway does not answer")), patience);
  client.start();
  try {
    return await connected.promise;
  } catch (error) {
    client.stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
