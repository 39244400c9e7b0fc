import { isDeepStrictEqual } from "node:util";

const HIDDEN = Symbol("secret");

/** A value that the engine encrypts in its state and hides in what it prints. */
export interface Secret {
  readonly [HIDDEN]: Value;
}

/** A value that a preview can't know yet. */
export const UNKNOWN = Symbol("unknown");

/** A property value as the engine speaks of it. */
export type Value = null | boolean | number | string | Value[] | ValueMap | Secret | typeof UNKNOWN;

/** A resource's inputs or outputs. */
export interface ValueMap {
  [key: string]: Value;
}

/** JSON, the form in which values cross the wire. */
export type Json = null | boolean | number | string | Json[] | JsonMap;

/** A JSON object. */
export interface JsonMap {
  [key: string]: Json;
}

// Signatures and sentinels of Pulumi's wire format, fixed in its SDK (go/common/resource/sig, plugin/rpc.go).
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e";
const UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const UNKNOWNS = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  UNKNOWN_STRING,
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** True for a list; unlike `Array.isArray` it keeps the type of the items. */
export function isList(value: Value | undefined): value is Value[] {
  return Array.isArray(value);
}

/** The text of a string, number or boolean; empty for anything else. */
export function text(value: Json | undefined): string {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** True for a plain object, thus neither a list, a secret nor an unknown. */
export function isMap(value: Value | undefined): value is ValueMap {
  return typeof value === "object" && value !== null && !isList(value) && !isSecret(value);
}

/** Reads a value off the wire. @throws on assets and archives, which no stand-in takes. */
export function decode(json: Json): Value {
  if (typeof json === "string") return UNKNOWNS.has(json) ? UNKNOWN : json;
  if (Array.isArray(json)) return json.map(decode);
  if (json === null || typeof json !== "object") return json;
  switch (json[SIGNATURE_KEY]) {
    case undefined:
      return decodeMap(json);
    case SECRET:
      return secret(decode(json["value"] ?? null));
    case OUTPUT: {
      const known = json["value"] === undefined ? UNKNOWN : decode(json["value"]);
      return json["secret"] === true ? secret(known) : known;
    }
    case RESOURCE:
      return decode(json["id"] ?? json["urn"] ?? null);
    default:
      throw new Error("the stand-in plugins take no assets or archives");
  }
}

/** Reads the properties of a resource off the wire. */
export function decodeMap(json: JsonMap): ValueMap {
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, decode(value)]));
}

/** Writes a value for the wire. */
export function encode(value: Value): Json {
  if (value === UNKNOWN) return UNKNOWN_STRING;
  if (isSecret(value)) return { [SIGNATURE_KEY]: SECRET, value: encode(value[HIDDEN]) };
  if (isList(value)) return value.map(encode);
  if (isMap(value)) return encodeMap(value);
  return value;
}

/** Writes the properties of a resource for the wire. */
export function encodeMap(values: ValueMap): JsonMap {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, encode(value)]));
}

/** The value itself, with every mark of secrecy taken off, at any depth. */
export function reveal(value: Value): Value {
  if (isSecret(value)) return reveal(value[HIDDEN]);
  if (isList(value)) return value.map(reveal);
  if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reveal(inner)]));
  return value;
}

/** True if the value, or anything inside it, is secret. */
export function containsSecret(value: Value | undefined): boolean {
  if (isSecret(value)) return true;
  if (isList(value)) return value.some(containsSecret);
  return isMap(value) && Object.values(value).some(containsSecret);
}

/** True if the value, or anything inside it, is unknown. */
export function containsUnknown(value: Value | undefined): boolean {
  if (value === UNKNOWN) return true;
  if (isSecret(value)) return containsUnknown(value[HIDDEN]);
  if (isList(value)) return value.some(containsUnknown);
  return isMap(value) && Object.values(value).some(containsUnknown);
}

/** Marks a value as secret, once. */
export function secret(value: Value): Secret {
  return isSecret(value) ? value : { [HIDDEN]: value };
}

/** True if the value is marked as secret. */
export function isSecret(value: Value | undefined): value is Secret {
  return typeof value === "object" && value !== null && HIDDEN in value;
}

/** The value below a mark of secrecy, other marks inside it kept. */
export function unwrap(value: Secret): Value {
  return value[HIDDEN];
}

/** Deep equality of two values, marks of secrecy left aside. */
export function same(left: Value | undefined, right: Value | undefined): boolean {
  return isDeepStrictEqual(
    left === undefined ? undefined : reveal(left),
    right === undefined ? undefined : reveal(right),
  );
}
