import { readFileSync } from "node:fs";
import { version } from "@pulumi/tailscale/package.json";
import { requireLocal } from "../local";
import { main } from "../rpc/provider";
import { text, type Json, type JsonMap } from "../rpc/values";
import { acl, getAcl } from "./acl";
import { Api, type ApiOptions } from "./api";
import { dnsPreferences } from "./dnsPreferences";
import { tailnetKey } from "./tailnetKey";

const DEFAULT_BASE_URL = "https://api.tailscale.com";

main({
  name: "tailscale",
  version,
  config: {
    apiKey: { type: "string", secret: true },
    oauthClientId: { type: "string" },
    oauthClientSecret: { type: "string", secret: true },
    scopes: { type: "any" },
    tailnet: { type: "string" },
    baseUrl: { type: "string" },
    userAgent: { type: "string" },
    audience: { type: "string", uncovered: true },
    identityToken: { type: "string", uncovered: true },
    identityTokenEnvironmentVariableName: { type: "string", uncovered: true },
  },
  configure,
  resources: (api) => ({
    "tailscale:index/acl:Acl": acl(api),
    "tailscale:index/dnsPreferences:DnsPreferences": dnsPreferences(api),
    "tailscale:index/tailnetKey:TailnetKey": tailnetKey(api),
  }),
  functions: (api) => ({ "tailscale:index/getAcl:getAcl": getAcl(api) }),
});

async function configure(config: JsonMap): Promise<Api> {
  const setting = (key: string, variable: string): string => text(config[key]) || (process.env[variable] ?? "");
  const baseUrl = setting("baseUrl", "TAILSCALE_BASE_URL") || DEFAULT_BASE_URL;
  await requireLocal(new URL(baseUrl).hostname, "tailscale:baseUrl", "tailscale");
  const credentials = credentialsOf(
    fromFile(setting("apiKey", "TAILSCALE_API_KEY")),
    fromFile(setting("oauthClientId", "TAILSCALE_OAUTH_CLIENT_ID")),
    fromFile(setting("oauthClientSecret", "TAILSCALE_OAUTH_CLIENT_SECRET")),
    listOf(config["scopes"]),
  );
  return new Api({ baseUrl, tailnet: setting("tailnet", "TAILSCALE_TAILNET") || "-", credentials });
}

function credentialsOf(
  apiKey: string,
  clientId: string,
  clientSecret: string,
  scopes: string[],
): ApiOptions["credentials"] {
  if (apiKey !== "" && (clientId !== "" || clientSecret !== "")) {
    throw new Error(
      "tailscale provider credentials are conflicting: set tailscale:apiKey or tailscale:oauthClientId and …Secret",
    );
  }
  if (apiKey !== "") return { apiKey };
  if (clientId !== "" && clientSecret !== "") return { clientId, clientSecret, scopes };
  throw new Error(
    "tailscale provider credentials are empty: set tailscale:apiKey, or tailscale:oauthClientId and …Secret",
  );
}

/** The official plugin reads a value that begins with `file:` from that file. */
function fromFile(value: string): string {
  return value.startsWith("file:") ? readFileSync(value.slice("file:".length), "utf8").trim() : value;
}

/** Lists of a provider's configuration arrive as JSON text. */
function listOf(value: Json | undefined): string[] {
  const list: unknown = typeof value === "string" && value !== "" ? JSON.parse(value) : value;
  return Array.isArray(list) ? list.map(String) : [];
}
