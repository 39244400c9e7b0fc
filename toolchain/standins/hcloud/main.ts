import { version } from "@pulumi/hcloud/package.json";
import { requireLocal } from "../local";
import { main } from "../rpc/provider";
import { text, type JsonMap } from "../rpc/values";
import { Api } from "./api";
import { firewall } from "./firewall";
import { primaryIp } from "./primaryIp";
import { server } from "./server";
import { sshKey } from "./sshKey";

const DEFAULT_ENDPOINT = "https://api.hetzner.cloud/v1";

main({
  name: "hcloud",
  version,
  config: {
    token: { type: "string", secret: true },
    endpoint: { type: "string" },
    pollInterval: { type: "string", default: "500ms" },
    pollFunction: { type: "string", oneOf: ["constant", "exponential"], default: "constant" },
    endpointHetzner: { type: "string", uncovered: true },
  },
  configure,
  resources: (api) => ({
    "hcloud:index/server:Server": server(api),
    "hcloud:index/sshKey:SshKey": sshKey(api),
    "hcloud:index/firewall:Firewall": firewall(api),
    "hcloud:index/primaryIp:PrimaryIp": primaryIp(api),
  }),
});

async function configure(config: JsonMap): Promise<Api> {
  const endpoint = text(config["endpoint"]) || (process.env["HCLOUD_ENDPOINT"] ?? DEFAULT_ENDPOINT);
  const token = text(config["token"]) || (process.env["HCLOUD_TOKEN"] ?? "");
  await requireLocal(new URL(endpoint).hostname, "hcloud:endpoint", "hcloud");
  const interval = milliseconds(text(config["pollInterval"]));
  const growing = config["pollFunction"] === "exponential";
  return new Api({
    endpoint,
    token,
    pollInterval: (poll) => (growing ? Math.min(interval * 2 ** poll, 60_000) : interval),
  });
}

/** Reads a duration in Go's notation, such as `500ms` or `1.5s`. */
function milliseconds(duration: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(duration);
  const factor = { ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? ""];
  if (factor === undefined) throw new Error(`hcloud:pollInterval is ${duration}: expected a duration such as 500ms`);
  return Number(match?.[1]) * factor;
}
