import { isIP } from "node:net";
import * as v from "valibot";
import type { Mistakes } from "./mistakes";

/** A map of keys to values, as the configuration has it. */
export type RawMap = Readonly<Record<string, unknown>>;

/** Looks closer at a value, which may be a file's path; `undefined`, and one more mistake, if it is wrong. */
export type Look = (mistakes: Mistakes, place: string, value: string) => string | undefined;

/** What a value may be. */
export interface Kind<T> {
  /** The rule, each with the reason that a wrong value gets. */
  readonly schema: v.GenericSchema<unknown, T>;
  /** The same in words, for the table of docs/configuration.md. */
  readonly type: string;
  /** Of a list: the rule for one entry. Each wrong one is a mistake of its own. */
  readonly entry?: v.GenericSchema<unknown, unknown>;
  /** What the rule can't say, of the value or of each entry of a list. */
  readonly look?: Look | undefined;
}

/** What is told of a key, and what becomes of it. */
export interface About<T> {
  /** Taken where nothing is set. */
  readonly fallback: T;
  /** The default in words, where the value itself doesn't say it. */
  readonly fallbackWords?: string;
  /** What it is for, and why so: a cell of the table, in Markdown. */
  readonly what: string;
  /** Why it can't be left out. Without: it can. */
  readonly missing?: string;
  /** A right value, as a shell takes it: the command for a wrong one sets it. Without: the command removes the key. */
  readonly example?: string | undefined;
  /** What it holds is shown to nobody. */
  readonly isSecret?: boolean;
}

/** One key of the configuration: all that there is to say of it, in one place. */
export interface Key<T> extends Kind<T>, About<T> {}

/** Keys by name; a group of keys is a shape of its own. */
export interface Shape {
  readonly [name: string]: Key<unknown> | Shape;
}

/** What a shape's keys hold. */
export type Values<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends Key<infer T> ? T : S[K] extends Shape ? Values<S[K]> : never;
};

/** True for a key, false for a group of keys. */
export function isKey(node: Key<unknown> | Shape): node is Key<unknown> {
  return typeof node["what"] === "string";
}

/** A key that is always set, if only to its default. */
export function key<T>(kind: Kind<T>, about: About<NoInfer<T>>): Key<T> {
  const example = about.example ?? (isScalar(about.fallback) ? String(about.fallback) : undefined);
  return { ...kind, ...about, example };
}

/** A key that may be left out. */
export function optional<T>(kind: Kind<T>, about: Omit<About<T>, "fallback">): Key<T | undefined> {
  return { fallbackWords: "not set", ...kind, ...about, fallback: undefined };
}

function isScalar(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value) && value !== "";
}

/** A whole number within limits, both of them included. */
export function integer(min: number, max: number): Kind<number> {
  const reason = `must be an integer from ${String(min)} to ${String(max)}`;
  return {
    schema: v.pipe(v.number(reason), v.integer(reason), v.minValue(min, reason), v.maxValue(max, reason)),
    type: `${String(min)} to ${String(max)}`,
  };
}

/** A TCP port, but none of those that mean something else, by port with the reason. */
export function port(taken: ReadonlyMap<number, string> = new Map<number, string>()): Kind<number> {
  const { schema } = integer(1, 65_535);
  return {
    schema: v.pipe(
      schema,
      v.check(
        (value) => !taken.has(value),
        ({ input }) => taken.get(input) ?? "",
      ),
    ),
    type: "TCP port",
  };
}

/** True or false. */
export const flag: Kind<boolean> = { schema: v.boolean("must be true or false"), type: "true or false" };

/** One of some words. */
export function choice<const T extends readonly [string, ...string[]]>(...words: T): Kind<T[number]> {
  return {
    schema: v.picklist(words, `must be one of ${words.join(", ")}`),
    type: words.map((word) => `\`${word}\``).join(", "),
  };
}

/** Text of some form. A pattern with flags, which JSON Schema doesn't know, isn't part of that. */
export function text(type: string, pattern: RegExp, what: string): Kind<string> {
  return { schema: matching(pattern, `must be ${what}`), type };
}

function matching(pattern: RegExp, reason: string): v.GenericSchema<unknown, string> {
  const rule = v.string(reason);
  return pattern.flags === ""
    ? v.pipe(rule, v.regex(pattern, reason))
    : v.pipe(
        rule,
        v.check((value) => pattern.test(value), reason),
      );
}

/** Any text, which may need a closer look. */
export function anyText(type: string, reason: string, look?: Look): Kind<string> {
  return { schema: v.string(reason), type, look };
}

/** A URL that matches the pattern. */
export function url(pattern: RegExp, reason: string): Kind<string> {
  return {
    schema: v.pipe(
      matching(pattern, reason),
      v.check((value) => URL.canParse(value), reason),
    ),
    type: "URL",
  };
}

/** An amount of memory, as systemd writes it, of at least so many MiB. */
export function memory(min: number, tooLittle: string): Kind<string> {
  const mebibytes = (value: string) => Number(value.slice(0, -1)) * (value.endsWith("G") ? 1024 : 1);
  const { schema } = text("", /^[1-9]\d{0,5}[MG]$/, "a size such as 2G or 1536M");
  return {
    schema: v.pipe(
      schema,
      v.check((value) => mebibytes(value) >= min, tooLittle),
    ),
    type: "number, M or G",
  };
}

/** A list; `min` is the fewest entries. */
export function list({ schema, look }: Kind<string>, reason: string, min: 0 | 1): Kind<readonly string[]> {
  const whole = v.pipe(v.array(schema, reason), v.minLength(min, reason));
  return { schema: whole, entry: schema, type: "list", look };
}

/** A map of which only its user knows the keys. */
export const map: Kind<RawMap> = {
  schema: v.custom<RawMap>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "must be a map of keys to values",
  ),
  type: "map",
};

/** An IP address, or a DNS name. */
export function address(isName: RegExp, reason: string): Kind<string> {
  // A number alone, or numbers with dots, would be a mistyped IPv4 address.
  const isRight = (value: string) => isIP(value) !== 0 || (isName.test(value) && !/^[\d.]+$/.test(value));
  return { schema: v.pipe(v.string(reason), v.check(isRight, reason)), type: "address or name" };
}

const noNetwork = "must be an IP address or a network such as 203.0.113.0/24";

/** An IP address, or a network such as 203.0.113.0/24. */
export const network: Kind<string> = {
  schema: v.pipe(v.string(noNetwork), v.check(isNetwork, noNetwork)),
  type: "address or network",
};

function isNetwork(value: string): boolean {
  const [host = "", bits, ...rest] = value.split("/");
  const width = isIP(host) === 6 ? 128 : 32;
  const isWidth = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= width);
  return isIP(host) !== 0 && isWidth && rest.length === 0;
}
