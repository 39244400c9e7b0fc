import { UNKNOWN, isList, isMap, isSecret, secret, unwrap, type Value, type ValueMap } from "./values";

/** One complaint about one input, as the engine shows it beside the resource. */
export interface Failure {
  /** Path of the input, such as `connection.port`. */
  property: string;
  reason: string;
}

/** What an input must look like. */
export interface Field {
  type: "string" | "number" | "boolean" | "any" | "list" | "map" | "object";
  /** What a list or a map consists of. */
  of?: Field;
  /** What an object consists of. */
  fields?: Fields;
  required?: boolean;
  /** Always kept as a secret. */
  secret?: boolean;
  /** Filled in by the provider if the program gives none: leaving it out changes nothing. */
  computed?: boolean;
  /** A change of it replaces the resource. */
  replace?: boolean;
  /** Used when the program gives none. */
  default?: string | number | boolean;
  /** The only values allowed. */
  oneOf?: readonly string[];
  /** The official plugin has it, the stand-in does not. */
  uncovered?: boolean;
}

/** The inputs of a resource, or of an object inside one. */
export type Fields = Record<string, Field>;

/** Reads and completes inputs against their fields. */
export interface Checked {
  inputs: ValueMap;
  failures: Failure[];
}

/** Checks every input, adds defaults and marks secrets; reports all mistakes at once, and never repeats a value in them. */
export function check(fields: Fields, news: ValueMap, prefix = ""): Checked {
  const checked: Checked = { inputs: {}, failures: [] };
  for (const key of Object.keys(news)) {
    if (fields[key] !== undefined || key === "version" || key.startsWith("__")) continue;
    const known = Object.keys(fields).join(", ");
    checked.failures.push({ property: prefix + key, reason: `no such input; there are ${known}` });
  }
  for (const [key, field] of Object.entries(fields)) {
    const given = news[key] ?? undefined;
    const value = given ?? field.default;
    if (value === undefined) {
      if (field.required === true) checked.failures.push({ property: prefix + key, reason: "missing: it is required" });
      continue;
    }
    if (field.uncovered === true) {
      const reason = "not covered by this stand-in: install Pulumi from pulumi.com to use the official plugin";
      checked.failures.push({ property: prefix + key, reason });
      continue;
    }
    const complete = checkValue(field, value, prefix + key, checked.failures);
    checked.inputs[key] = field.secret === true ? secret(complete) : complete;
  }
  return checked;
}

function checkValue(field: Field, value: Value, path: string, failures: Failure[]): Value {
  if (isSecret(value)) return secret(checkValue(field, unwrap(value), path, failures));
  if (value === UNKNOWN || field.type === "any") return value;
  const wrong = (expected: string): Value => {
    failures.push({ property: path, reason: `expected ${expected}, got ${kindOf(value)}` });
    return value;
  };
  const { of, fields } = field;
  switch (field.type) {
    case "list":
      if (!isList(value)) return wrong("a list");
      return of === undefined
        ? value
        : value.map((item, index) => checkValue(of, item, `${path}[${String(index)}]`, failures));
    case "map":
      if (!isMap(value)) return wrong("a map");
      if (of === undefined) return value;
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, checkValue(of, item, `${path}.${key}`, failures)]),
      );
    case "object": {
      if (!isMap(value)) return wrong("an object");
      const inner = check(fields ?? {}, value, `${path}.`);
      failures.push(...inner.failures);
      return inner.inputs;
    }
    case "string":
      if (typeof value !== "string") return wrong("a string");
      if (field.oneOf !== undefined && !field.oneOf.includes(value)) return wrong(`one of ${field.oneOf.join(", ")}`);
      return value;
    default:
      return typeof value === field.type ? value : scalar(field.type, value, wrong);
  }
}

/** Provider configuration arrives as strings, whatever its type. */
function scalar(type: string, value: Value, wrong: (expected: string) => Value): Value {
  if (type === "number" && typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value))) {
    return Number(value);
  }
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return wrong(`a ${type}`);
}

function kindOf(value: Value): string {
  if (value === null) return "nothing";
  if (isList(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
