import type { Selected } from "../../test/selection";
import { isUnit } from "./kinds";
import { type Options, UsageError } from "./options";

/** What to choose from; the tables are those of test/selection.ts. */
export interface Choice {
  readonly files: readonly string[];
  readonly ofLayer: (layer: string) => readonly Selected[];
  readonly ofKind: (kind: string) => readonly Selected[];
  readonly layersTouchedBy: (paths: readonly string[]) => {
    readonly layers: readonly string[];
    readonly everything: boolean;
  };
  readonly changed: () => Promise<readonly string[]>;
}

/** The test files to run, each with the names of its tests unless all of them are to run. Each option leaves fewer. */
export async function choose(options: Options, choice: Choice): Promise<readonly Selected[]> {
  let chosen: readonly Selected[] = choice.files.map((file) => ({ file }));
  if (options.kind !== undefined) chosen = both(chosen, choice.ofKind(options.kind));
  if (options.layer !== undefined) chosen = both(chosen, layerOf(options.layer, choice));
  if (options.changed) chosen = both(chosen, touched(await choice.changed(), choice));
  return options.words.length === 0 ? chosen : byWords(chosen, options.words);
}

function layerOf(layer: string, choice: Choice): readonly Selected[] {
  try {
    return choice.ofLayer(layer);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** What changed files concern: unit tests all, since they are quick, and the hosts' tests of the layers in question. */
function touched(paths: readonly string[], choice: Choice): readonly Selected[] {
  if (paths.length === 0) return [];
  const { layers, everything } = choice.layersTouchedBy(paths);
  const all = choice.files.map((file) => ({ file }));
  if (everything) return all;
  const own = all.filter(({ file }) => paths.includes(file) || isUnit(file));
  return merge([...own, ...layers.flatMap((layer) => choice.ofLayer(layer))]);
}

/** One entry a file: all of its tests if one of the entries says so, else the tests of any. */
function merge(selected: readonly Selected[]): readonly Selected[] {
  const merged = new Map<string, Selected>();
  for (const each of selected) {
    const known = merged.get(each.file);
    if (known === undefined) merged.set(each.file, each);
    else if (known.names === undefined || each.names === undefined) merged.set(each.file, { file: each.file });
    else if (known.names !== each.names) {
      merged.set(each.file, { file: each.file, names: `(?:${known.names})|(?:${each.names})` });
    }
  }
  return [...merged.values()];
}

/** What is in both. Two expressions of names can't be joined by one: a name must then match the second. */
function both(first: readonly Selected[], second: readonly Selected[]): readonly Selected[] {
  const narrower = new Map(merge(second).map((each) => [each.file, each]));
  return first.flatMap(({ file, names }) => {
    const other = narrower.get(file);
    if (other === undefined) return [];
    if (names === undefined) return [other];
    return other.names === undefined ? [{ file, names }] : [{ file, names: `^(?=.*(?:${names})).*(?:${other.names})` }];
  });
}

/** Words are parts of paths. If none of them is, they are parts of names, as regular expressions. */
function byWords(chosen: readonly Selected[], words: readonly string[]): readonly Selected[] {
  const inPath = words.filter((word) => chosen.some(({ file }) => file.includes(word)));
  if (inPath.length > 0) {
    const lost = words.filter((word) => !inPath.includes(word));
    if (lost.length > 0) throw new UsageError(`no test file that was chosen has ${lost.join(" or ")} in its path`);
    return chosen.filter(({ file }) => inPath.some((word) => file.includes(word)));
  }
  const names = words.map((word) => `(?:${word})`).join("|");
  return both(
    chosen,
    chosen.map(({ file }) => ({ file, names })),
  );
}
