import { createHash, randomBytes } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import type { Failure } from "../rpc/fields";
import type { CheckContext } from "../rpc/resource";
import { isList, isMap, same, type JsonMap, type Value, type ValueMap } from "../rpc/values";

const DEFAULTS = "__defaults";

/**
 * Fills in a name as the official plugin does: the resource's name, a dash and seven random hex digits; kept from then on.
 */
export function autoName(inputs: ValueMap, { name, olds, seed }: CheckContext): Failure[] {
  if (inputs["name"] !== undefined) return [];
  const random = seed.length > 0 ? createHash("sha256").update(seed).update(name).digest() : randomBytes(4);
  inputs["name"] = isAutoNamed(olds) ? (olds["name"] ?? null) : `${name}-${random.toString("hex").slice(0, 7)}`;
  inputs[DEFAULTS] = ["name"];
  return [];
}

function isAutoNamed(inputs: ValueMap | undefined): inputs is ValueMap {
  const defaults = inputs?.[DEFAULTS];
  return inputs?.["name"] !== undefined && Array.isArray(defaults) && defaults.includes("name");
}

/** A name that the program chose is taken as long as the old resource is there. */
export function nameClashes(olds: ValueMap, news: ValueMap): boolean {
  return !isAutoNamed(news) && same(olds["name"], news["name"]);
}

/** Hetzner's rules for labels, which the official plugin checks before it calls the API. */
export function checkLabels(inputs: ValueMap): Failure[] {
  const labels = inputs["labels"];
  if (!isMap(labels)) return [];
  const failures: Failure[] = [];
  for (const [key, value] of Object.entries(labels)) {
    const validKey =
      /^([a-z0-9A-Z]([-a-z0-9A-Z.]{0,251}[a-z0-9A-Z])?\/)?[a-z0-9A-Z]([-a-z0-9A-Z._]{0,61}[a-z0-9A-Z])?$/;
    if (!validKey.test(key)) failures.push({ property: `labels.${key}`, reason: "not a valid label key" });
    const validValue = /^([a-z0-9A-Z]([-a-z0-9A-Z._]{0,61}[a-z0-9A-Z])?)?$/;
    if (typeof value === "string" && !validValue.test(value)) {
      failures.push({ property: `labels.${key}`, reason: "not a valid label value" });
    }
  }
  return failures;
}

// Terraform's sets: the order of these lists means nothing.
const SETS = new Set(["firewallIds", "publicNets", "rules", "applyTos", "sourceIps", "destinationIps"]);

/** The form in which values are compared: sets sorted, addresses as networks, and what is empty left out. */
export function canonical(key: string, value: Value): Value | undefined {
  if (value === "" || value === null) return undefined;
  if (typeof value === "string") return /Ips$/.test(key) ? normalizeNetwork(value) : value;
  if (isList(value)) {
    const items = value.map((item) => canonical(key, item) ?? null);
    if (items.length === 0) return undefined;
    return SETS.has(key) ? items.sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1)) : items;
  }
  if (!isMap(value)) return value;
  const entries = Object.entries(value)
    .map(([inner, item]) => [inner, canonical(inner, item)] as const)
    .filter((entry): entry is [string, Value] => entry[1] !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** An address as the network of one address, in lower case: as the API gives it back. */
export function normalizeNetwork(text: string): string {
  if (isIPv4(text)) return `${text}/32`;
  const [address = "", prefix = "128"] = text.split("/");
  return isIPv6(address) ? `${shorten(address)}/${prefix}` : text;
}

/** True for an address or a network that starts at its own first address. */
export function isNetwork(text: string): boolean {
  const [address = "", prefix, ...rest] = normalizeNetwork(text).split("/");
  const family = isIPv4(address) ? "ipv4" : "ipv6";
  const bits = Number(prefix);
  if (rest.length > 0 || !(isIPv4(address) || isIPv6(address)) || !/^\d+$/.test(prefix ?? "")) return false;
  if (bits > (family === "ipv4" ? 32 : 128)) return false;
  return !toBits(address).slice(bits).includes("1");
}

function shorten(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** The bits of an address, first to last. */
function toBits(address: string): string {
  if (isIPv4(address))
    return address
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"))
      .join("");
  const [head = "", tail] = shorten(address).split("::");
  const groups = (half: string | undefined): string[] => (half === undefined || half === "" ? [] : half.split(":"));
  const [left, right] = [groups(head), groups(tail)];
  const middle = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...middle, ...right].map((part) => parseInt(part, 16).toString(2).padStart(16, "0")).join("");
}

/** Those outputs that are inputs too, as `read` reports them: only what the program set before, or the basics after an import. */
export function inputsFrom(outputs: JsonMap, inputs: JsonMap, imported: readonly string[]): JsonMap {
  const keys = Object.keys(inputs).length > 0 ? Object.keys(inputs) : imported;
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = key in outputs ? outputs[key] : inputs[key];
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
}
