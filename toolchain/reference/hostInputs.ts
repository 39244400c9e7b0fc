import { isKey, type Key, type Shape } from "../../lib/config/key";
import { content, existing, structure, tailnet } from "../../lib/config/keys";
import { ruleOf } from "./configuration";

// What is generated from the declared keys for other programs: the arguments of a host, with their documentation.

/** Who may come in, and whose the policy is, is the tailnet's matter, not a host's. */
const ofTailnet = ["users", "acl", "overwriteAcl"];
const ofHost = Object.fromEntries(Object.entries(tailnet).filter(([name]) => !ofTailnet.includes(name)));

/** The module components/hostInputs.ts. */
export function hostInputsSource(): string {
  return `// Made from lib/config/keys.ts by: UPDATE_GOLDEN=1 npm run test:unit
import type * as pulumi from "@pulumi/pulumi";

/**
 * What one host can set. A \`pulumi.Input\` may be known later; all else decides which resources there are.
 * docs/configuration.md has the same as a table.
 */
export interface HostInputs {
${members({ ...structure, existing }, "plain")}
${members(content, "input")}
${members({ tailnet: ofHost }, "plain")}
}
`;
}

type Mode = "plain" | "input";

function members(shape: Shape, mode: Mode): string {
  return Object.entries(shape)
    .map(([name, node]) => `${documentation(node)}\nreadonly ${name}${suffix(node)}: ${typeOf(node, mode)};`)
    .join("\n");
}

/** All may be left out but what has a reason against it. */
function suffix(node: Key<unknown> | Shape): string {
  return isKey(node) && node.missing !== undefined ? "" : "?";
}

/** What the table says of a value, where TypeScript's type says the same. */
const toldByType = /^(?:text|list|map|true or false|`\w.*`, `.*`)$/;

function documentation(node: Key<unknown> | Shape): string {
  if (!isKey(node)) {
    return "";
  }
  const what = node.what.replace(/\[([^\]]+)\]\(([^)]+)\)/g, "docs/$2");
  const sentence = `${what.charAt(0).toUpperCase()}${what.slice(1)}.`;
  const value = toldByType.test(node.type) ? "" : ` Value: ${node.type}.`;
  const isMissing = node.missing !== undefined;
  const fallback = node.fallbackWords ?? JSON.stringify(node.fallback);
  return `/**\n * ${sentence}${value}\n${isMissing ? "" : ` *\n * @default ${fallback}\n`} */`;
}

function typeOf(node: Key<unknown> | Shape, mode: Mode): string {
  const type = isKey(node) ? keyType(node, mode) : `{ ${members(node, mode)} }`;
  const input = mode === "input" || (isKey(node) && node.isSecret === true) ? `pulumi.Input<${type}>` : type;
  return isKey(node) && node.missing !== undefined ? input : `${input} | undefined`;
}

function keyType(key: Key<unknown>, mode: Mode): string {
  const rule = ruleOf(key);
  if (Array.isArray(rule["enum"])) {
    return rule["enum"].map((word) => JSON.stringify(word)).join(" | ");
  }
  switch (rule["type"]) {
    case "integer":
      return "number";
    case "array":
      return mode === "input" ? "readonly pulumi.Input<string>[]" : "readonly string[]";
    case "object":
      return "Readonly<Record<string, unknown>>";
    default:
      return String(rule["type"]);
  }
}
