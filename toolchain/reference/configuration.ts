import { toJsonSchema } from "@valibot/to-json-schema";
import { isKey, type Key, type Shape } from "../../lib/config/key";
import { host, hostName, stack } from "../../lib/config/keys";

// What is generated from the declared keys: the table of docs/configuration.md, and the JSON Schema for Pulumi.*.yaml.

/** The table, one row for each key. */
export function configurationTable(): string {
  const hosts = ["`hosts`", "map", "one host", "name (1 to 32 of a-z, 0-9, -) to the keys below that differ there"];
  const header = [
    ["key", "type", "default", "what, and why so"],
    ["-", "-", "-", "-"],
  ];
  return [...header, ...rowsOf(stack, ""), hosts, ...rowsOf(host, "")]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function rowsOf(shape: Shape, prefix: string): string[][] {
  return Object.entries(shape).flatMap(([name, node]) =>
    isKey(node)
      ? [[`\`${prefix}${name}\``, node.type, node.fallbackWords ?? `\`${plain(node.fallback)}\``, node.what]]
      : rowsOf(node, `${prefix}${name}.`),
  );
}

/** A default as a person would type it. */
function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value).replaceAll('"', "");
}

type JsonSchema = Readonly<Record<string, unknown>>;

/** What `pulumi config set --secret` leaves in the file, in any key's place. */
const secret: JsonSchema = {
  type: "object",
  properties: { secure: { type: "string" } },
  required: ["secure"],
  additionalProperties: false,
};

/** The JSON Schema for a stack's file, by which editors complete and check it. */
export function stackSchema(): JsonSchema {
  const ofHost = { type: ["object", "null"], properties: nested(host), additionalProperties: false };
  const hosts = {
    description: "The hosts by name, each with the keys that differ there. Without it there is one, named gateway.",
    anyOf: [
      {
        type: "object",
        propertyNames: { pattern: hostName.source },
        additionalProperties: ofHost,
        minProperties: 1,
      },
      ...otherForms("object", "top"),
    ],
  };
  const keys = [...Object.entries(stack), ...Object.entries(host)].map(([name, node]): [string, JsonSchema] => [
    `monoclaw:${name}`,
    schemaOf(node, "top"),
  ]);
  const old = { description: "Means nothing any more: pulumi config rm monoclaw:generation", deprecated: true };
  const properties = Object.fromEntries([...keys, ["monoclaw:hosts", hosts], ["monoclaw:generation", old]]);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A stack of monoclaw: Pulumi.STACK.yaml",
    definitions: { secret },
    type: "object",
    properties: {
      config: {
        type: "object",
        properties,
        // The providers have keys of their own; below monoclaw: there are these alone.
        propertyNames: { anyOf: [{ enum: Object.keys(properties) }, { not: { pattern: "^monoclaw:" } }] },
      },
    },
  };
}

/** Where a key stands: what `pulumi config set` writes there without `--path` is text, whatever it is. */
type Level = "top" | "nested";

function schemaOf(node: Key<unknown> | Shape, level: Level): JsonSchema {
  if (!isKey(node)) {
    const group = { type: "object", properties: nested(node), additionalProperties: false };
    return { anyOf: [group, ...otherForms("object", level)] };
  }
  const rule = ruleOf(node);
  return {
    description: node.what.replace(/\[([^\]]+)\]\(([^)]+)\)/g, "docs/$2"),
    default: node.missing === undefined ? node.fallback : undefined,
    anyOf: [
      rule["items"] === undefined ? rule : { ...rule, items: { anyOf: [rule["items"], reference] } },
      ...otherForms(String(rule["type"]), level),
    ],
  };
}

function nested(shape: Shape): JsonSchema {
  const entries = Object.entries(shape).map(([name, node]): [string, JsonSchema] => [name, schemaOf(node, "nested")]);
  return Object.fromEntries(entries);
}

const reference: JsonSchema = { $ref: "#/definitions/secret" };

/** How text says a value of a type, where it does. */
const asText: Readonly<Record<string, string>> = {
  integer: "^(0|[1-9][0-9]*)$",
  boolean: "^(true|false)$",
  array: "^\\s*\\[",
  object: "^\\s*\\{",
};

/** What may stand for a value of this type: nothing, an encrypted value, or text that says it. */
function otherForms(type: string, level: Level): JsonSchema[] {
  const pattern = level === "top" ? asText[type] : undefined;
  return [reference, { type: "null" }, ...(pattern === undefined ? [] : [{ type: "string", pattern }])];
}

/**
 * A key's rule as JSON Schema.
 *
 * @throws if that can't say it, but for what the program looks at more closely
 */
export function ruleOf(key: Key<unknown>): JsonSchema {
  if (key.type === "map") {
    return { type: "object" };
  }
  const rule = toJsonSchema(key.schema, { typeMode: "input", target: "draft-07", ignoreActions: ["check"] });
  return { ...rule, $schema: undefined };
}
