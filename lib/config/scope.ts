import * as v from "valibot";
import { isKey, type Key, type RawMap, type Shape, type Values } from "./key";
import { type Mistakes, removeCommand, setCommand } from "./mistakes";

/** One place that a key's value may stand in. */
export interface Source {
  /** What stands before a key's name there: "", `limits.`, `hosts.home.limits.` … */
  readonly prefix: string;
  readonly values: RawMap;
  /** Where a key that nobody has set would best be set. The last source is, if none says so. */
  readonly isHome: boolean;
}

/** A level of the configuration: a host's own values come first, then the stack's. */
export class Scope {
  constructor(
    private readonly mistakes: Mistakes,
    private readonly sources: readonly Source[],
  ) {}

  /** The full name of a key, where its value stands or would best stand. */
  at(name: string): string {
    const source =
      this.sources.find(({ values }) => isSet(values[name])) ??
      this.sources.find(({ isHome }) => isHome) ??
      this.sources.at(-1);
    return `${source?.prefix ?? ""}${name}`;
  }

  /** A key's value, as it stands there. */
  of(name: string): unknown {
    return this.sources.map(({ values }) => values[name]).find(isSet);
  }

  /** True if a host has the key itself. */
  isOwn(name: string): boolean {
    return isSet(this.sources[0]?.values[name]);
  }

  /** The level below. */
  group(name: string): Scope {
    const below = this.sources.map(({ prefix, values }) => ({
      prefix: `${prefix}${name}.`,
      values: mapOf(this.mistakes, `${prefix}${name}`, values[name]),
      isHome: isSet(values[name]),
    }));
    return new Scope(this.mistakes, below);
  }

  /** Keys that nobody reads are mistakes: usually a misspelt one. */
  onlyKeys(known: readonly string[]): void {
    for (const { prefix, values } of this.sources) {
      for (const name of Object.keys(values).filter((candidate) => !known.includes(candidate))) {
        this.mistakes.add(`${prefix}${name}`, values[name], `there is no such key; known are ${known.join(", ")}`);
      }
    }
  }

  /** What the keys of a shape hold; in place of a wrong value the default, so that reading can go on. */
  read<S extends Shape>(shape: S): Values<S> {
    this.onlyKeys(Object.keys(shape));
    return this.pick(shape);
  }

  /** The same, for some of the keys of this level. */
  pick<S extends Shape>(shape: S): Values<S> {
    const entries = Object.entries(shape).map(([name, node]) => [
      name,
      isKey(node) ? this.value(name, node) : this.group(name).read(node),
    ]);
    return Object.fromEntries(entries) as Values<S>;
  }

  private value<T>(name: string, key: Key<T>): T {
    const [place, value] = [this.at(name), this.of(name)];
    if (value === undefined) {
      if (key.missing !== undefined) {
        this.mistakes.add(place, undefined, key.missing, commandFor(key, place));
      }
      return key.fallback;
    }
    if (key.entry === undefined || !Array.isArray(value) || value.length === 0) {
      return this.check(place, value, key, key.schema) ?? key.fallback;
    }
    const { entry } = key;
    const right = value.map((each, index) => this.check(`${place}[${String(index)}]`, each, key, entry));
    return right.filter(isSet) as T;
  }

  /** The value as the rule gives it back; `undefined`, and one more mistake, if it is wrong. */
  private check<T>(
    place: string,
    value: unknown,
    key: Key<unknown>,
    schema: v.GenericSchema<unknown, T>,
  ): T | undefined {
    const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
    if (!result.success) {
      const shown = key.isSecret === true ? "…" : value;
      this.mistakes.add(place, shown, result.issues[0].message, commandFor(key, place));
      return undefined;
    }
    const { output } = result;
    return key.look === undefined || typeof output !== "string"
      ? output
      : (key.look(this.mistakes, place, output) as T | undefined);
  }
}

/** The command that corrects a key, or one entry of a list. */
function commandFor({ entry, example }: Key<unknown>, place: string): string {
  if (example === undefined) {
    return removeCommand(place);
  }
  return setCommand(entry === undefined || place.endsWith("]") ? place : `${place}[0]`, example);
}

/** A map of keys to values; anything else but nothing at all is a mistake. */
export function mapOf(mistakes: Mistakes, key: string, value: unknown): RawMap {
  if (!isSet(value)) {
    return {};
  }
  if (typeof value !== "object" || Array.isArray(value)) {
    mistakes.add(key, value, "must be a map of keys to values");
    return {};
  }
  return value as RawMap;
}

/** A key without a value, as in `sshPort:`, isn't set. */
export function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}
