/** A JSON object, such as openclaw.json. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** TCP port of the gateway, on loopback only. */
export const gatewayPort = 18789;

/** What the requirements say (Loopback, Gateway token); nothing overrides it. */
const documented: JsonObject = {
  gateway: {
    mode: "local",
    bind: "loopback",
    port: gatewayPort,
    trustedProxies: ["127.0.0.1", "::1"],
    auth: { mode: "token" },
  },
};

/** Paths of the keys that no stack may set: what the requirements say, and the token, which has a layer of its own. */
export const fixedSettings: readonly string[] = [...leaves(documented), "gateway.auth.token"];

/** The paths of an object's values, joined by dots. */
function leaves(object: JsonObject): string[] {
  return Object.entries(object).flatMap(([key, value]) =>
    isObject(value) ? leaves(value).map((rest) => `${key}.${rest}`) : [key],
  );
}

/** Hardening beyond the requirements; `docs/openclaw-settings.md` has the reason for each. A stack's settings override it. */
const baseline: JsonObject = {
  gateway: {
    auth: { allowTailscale: false, rateLimit: { maxAttempts: 10, windowMs: 60_000, lockoutMs: 300_000 } },
    controlUi: {
      allowedOrigins: [`http://127.0.0.1:${String(gatewayPort)}`, `http://localhost:${String(gatewayPort)}`],
    },
    nodes: { pairing: { sshVerify: false } },
    tailscale: { mode: "off" },
    terminal: { enabled: false },
  },
  session: { dmScope: "per-channel-peer" },
  tools: {
    profile: "messaging",
    deny: ["gateway"],
    exec: { mode: "deny" },
    elevated: { enabled: false },
    fs: { workspaceOnly: true },
    sessions: { visibility: "agent" },
    agentToAgent: { enabled: false },
  },
  commands: { restart: false },
  browser: { enabled: false },
  discovery: { mdns: { mode: "off" } },
  update: { checkOnStart: false, auto: { enabled: false } },
};

/**
 * The keys of openclaw.json that the program manages: the hardened baseline, over it the stack's own settings, over those
 * the requirements'. Every other key of the file stays the gateway's and its users'.
 *
 * @param settings - the stack's settings; a key that is `null` takes the baseline's key out, so that it is not managed
 * @param origins - where browsers find the dashboard, beside an SSH tunnel's: `https://gateway.example.ts.net`
 */
export function managedSettings(settings: JsonObject, origins: readonly string[] = []): JsonObject {
  return allowOrigins(overlay(overlay(baseline, settings), documented), origins);
}

/** Adds to the list, whoever made it; where it was taken out there is nothing to add to. */
function allowOrigins(settings: JsonObject, origins: readonly string[]): JsonObject {
  const { gateway } = settings as { gateway?: { controlUi?: { allowedOrigins?: readonly string[] } } };
  const allowed = gateway?.controlUi?.allowedOrigins;
  if (allowed === undefined || origins.length === 0) {
    return settings;
  }
  return overlay(settings, { gateway: { controlUi: { allowedOrigins: [...new Set([...allowed, ...origins])] } } });
}

function overlay(base: JsonObject, over: JsonObject): JsonObject {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const old = merged.get(key);
    const next = isObject(value) ? overlay(isObject(old) ? old : {}, value) : value;
    if (next === null || (isObject(next) && Object.keys(next).length === 0)) {
      merged.delete(key);
    } else {
      merged.set(key, next);
    }
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
