import { randomInt } from "node:crypto";
import type { Failure, Field } from "../rpc/fields";
import type { Resource } from "../rpc/resource";
import type { JsonMap, ValueMap } from "../rpc/values";

// The characters that the official plugin draws from.
const CLASSES = {
  lower: "abcdefghijklmnopqrstuvwxyz",
  upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  numeric: "0123456789",
  special: "!@#$%&*()-_=+[]{}<>:?",
} as const;

type Class = keyof typeof CLASSES;

const names = Object.keys(CLASSES) as Class[];
const minimum = (name: Class): string => `min${name.charAt(0).toUpperCase()}${name.slice(1)}`;
const flag: Field = { type: "boolean", default: true, replace: true };
const count: Field = { type: "number", default: 0, replace: true };

/** `random.RandomPassword`. Its id says nothing; there is no `bcryptHash`. */
export const randomPasswordResource: Resource = {
  inputs: {
    length: { type: "number", required: true, replace: true },
    overrideSpecial: { type: "string", replace: true },
    keepers: { type: "map", of: { type: "string" }, replace: true },
    ...Object.fromEntries(names.flatMap((name) => [[name, flag] as const, [minimum(name), count] as const])),
    number: { type: "any", uncovered: true },
  },
  outputs: ["result"],
  secretOutputs: ["result"],
  check: checkLength,
  create: (inputs) => Promise.resolve({ id: "none", outputs: { ...inputs, result: draw(inputs) } }),
  delete: () => Promise.resolve(),
};

function checkLength(inputs: ValueMap): Failure[] {
  const { length } = inputs;
  if (typeof length !== "number") return [];
  if (!Number.isInteger(length) || length < 1)
    return [{ property: "length", reason: "expected a whole number, at least 1" }];
  const least = names.reduce((sum, name) => sum + Number(inputs[minimum(name)] ?? 0), 0);
  if (least > length) return [{ property: "length", reason: `the minima ask for ${String(least)} characters` }];
  if (names.every((name) => inputs[name] === false)) {
    return [{ property: "special", reason: "no character is allowed: at least one of these must be true" }];
  }
  return [];
}

/** At least the minimum of each class, the rest from all that are allowed, shuffled. */
function draw(inputs: JsonMap): string {
  const override = inputs["overrideSpecial"];
  const alphabet = (name: Class): string =>
    name === "special" && typeof override === "string" && override !== "" ? override : CLASSES[name];
  const drawn = names.flatMap((name) => pick(alphabet(name), Number(inputs[minimum(name)] ?? 0)));
  const allowed = names.filter((name) => inputs[name] !== false);
  drawn.push(...pick(allowed.map(alphabet).join(""), Number(inputs["length"]) - drawn.length));
  for (let last = drawn.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [drawn[last], drawn[other]] = [drawn[other] ?? "", drawn[last] ?? ""];
  }
  return drawn.join("");
}

function pick(alphabet: string, amount: number): string[] {
  return Array.from({ length: amount }, () => alphabet.charAt(randomInt(alphabet.length)));
}
