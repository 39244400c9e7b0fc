import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ConfigError, parseConfig, type Settings } from "./config";
import { credentialsProblem } from "./tailscaleCredentials";

/**
 * Reads and checks the stack's configuration.
 *
 * @throws pulumi.RunError with every mistake, its reason and the command that mends it
 */
export function readSettings(): Settings {
  const prefix = `${pulumi.getProject()}:`;
  const config = pulumi.runtime.allConfig();
  const raw = Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), parseValue(value)]),
  );
  try {
    const settings = parseConfig(raw, path.join(__dirname, ".."), {
      secretKeys: secretKeys(prefix),
      tailscale: credentialsProblem(config, process.env),
    });
    if (settings.hasGeneration) {
      void pulumi.log.warn(
        "monoclaw:generation means nothing any more. To remove it: pulumi config rm monoclaw:generation",
      );
    }
    return settings;
  } catch (error) {
    // A RunError is shown without a stack trace: the person at the terminal made a typing mistake, not a bug.
    throw error instanceof ConfigError ? new pulumi.RunError(error.message) : error;
  }
}

/** The keys below the prefix that hold a secret anywhere, as the engine tells every Node.js program in its environment. */
function secretKeys(prefix: string): ReadonlySet<string> {
  const names = JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]") as readonly string[];
  return new Set(names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)));
}

/** The engine hands over every value as text: JSON for maps, lists, numbers and booleans. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
