import { cpus } from "node:os";

/** A command line that asks for something that there isn't: exit code 2. */
export class UsageError extends Error {}

export const kinds = ["unit", "host", "tailnet", "faults", "attacks", "upgrade", "judges"] as const;
export type Kind = (typeof kinds)[number];

/** What `npm test -- …` was asked for. */
export interface Options {
  readonly words: readonly string[];
  readonly layer?: string;
  readonly kind?: Kind;
  readonly changed: boolean;
  /** Most lab lanes that run side by side. */
  readonly lanes: number;
  readonly list: boolean;
}

const USAGE =
  "usage: npm test -- [WORD…] [--layer NAME] [--changed] [--kind KIND] [--lanes N] [--list]\n" +
  `  WORD   part of a test file's path, or else of a test's name\n  KIND   ${kinds.join(", ")}`;

/** Reads a command line. @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const words: string[] = [];
  const values = new Map<string, string>();
  const flags = new Set<string>();
  for (let index = 0; index < args.length; index++) {
    const [name, inline] = splitOnce(args[index] ?? "");
    if (name === "--changed" || name === "--list") flags.add(name);
    else if (name === "--layer" || name === "--kind" || name === "--lanes") {
      const value = inline ?? args[++index];
      if (value === undefined || value === "") throw new UsageError(`${name} needs a value\n${USAGE}`);
      values.set(name, value);
    } else if (name.startsWith("-")) throw new UsageError(`there is no option ${name}\n${USAGE}`);
    else words.push(args[index] ?? "");
  }
  const layer = values.get("--layer");
  const kind = values.get("--kind");
  return {
    words,
    changed: flags.has("--changed"),
    list: flags.has("--list"),
    lanes: lanesOf(values.get("--lanes")),
    ...(layer !== undefined && { layer }),
    ...(kind !== undefined && { kind: kindOf(kind) }),
  };
}

/** True if everything is to run. */
export function isEverything({ words, layer, kind, changed }: Options): boolean {
  return words.length === 0 && layer === undefined && kind === undefined && !changed;
}

function splitOnce(arg: string): [string, string?] {
  const equals = arg.startsWith("--") ? arg.indexOf("=") : -1;
  return equals < 0 ? [arg] : [arg.slice(0, equals), arg.slice(equals + 1)];
}

function kindOf(word: string): Kind {
  const kind = kinds.find((each) => each === word);
  if (kind === undefined) throw new UsageError(`there is no kind ${word}: ${kinds.join(", ")}\n${USAGE}`);
  return kind;
}

function lanesOf(word: string | undefined): number {
  // Hosts keep people waiting more than processors busy.
  if (word === undefined) return Math.max(2, cpus().length);
  if (!/^[1-9]\d?$/.test(word)) throw new UsageError(`--lanes ${word}: a number from 1 to 99\n${USAGE}`);
  return Number(word);
}
