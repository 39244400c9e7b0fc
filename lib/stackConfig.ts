import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ConfigError, parseConfig, type Settings } from "./config";

/**
 * Reads and checks the stack's configuration.
 *
 * @throws pulumi.RunError with every mistake, its reason and the command that mends it
 */
export function readSettings(): Settings {
  const prefix = `${pulumi.getProject()}:`;
  const raw = Object.fromEntries(
    Object.entries(pulumi.runtime.allConfig())
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), parseValue(value)]),
  );
  try {
    return parseConfig(raw, path.join(__dirname, ".."));
  } catch (error) {
    // A RunError is shown without a stack trace: the person at the terminal made a typing mistake, not a bug.
    throw error instanceof ConfigError ? new pulumi.RunError(error.message) : error;
  }
}

/** The engine hands over every value as text: JSON for maps, lists, numbers and booleans. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
