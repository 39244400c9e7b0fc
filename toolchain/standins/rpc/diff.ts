import { isList, isMap, isSecret, same, type Value, type ValueMap } from "./values";

/** What happened to one property. */
export type Change = "add" | "delete" | "update";

/** Changes by property path, such as `connection.host` or `triggers[0]`. */
export type Changes = Record<string, Change>;

/**
 * Compares two sets of properties the way the engine's own object diff does: into objects and lists, but not into a secret, which
 * changes as a whole.
 */
export function diffMaps(olds: ValueMap, news: ValueMap, prefix = ""): Changes {
  const changes: Changes = {};
  for (const key of new Set([...Object.keys(olds), ...Object.keys(news)])) {
    const path = prefix + (prefix === "" ? key : /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `["${key}"]`);
    Object.assign(changes, diffValues(olds[key], news[key], path));
  }
  return changes;
}

function diffValues(older: Value | undefined, newer: Value | undefined, path: string): Changes {
  const [hadValue, hasValue] = [isPresent(older), isPresent(newer)];
  if (!hadValue && !hasValue) return {};
  if (!hadValue) return { [path]: "add" };
  if (!hasValue) return { [path]: "delete" };
  if (isList(older) && isList(newer)) {
    const changes: Changes = {};
    for (let index = 0; index < Math.max(older.length, newer.length); index++) {
      Object.assign(changes, diffValues(older[index], newer[index], `${path}[${String(index)}]`));
    }
    return changes;
  }
  if (isMap(older) && isMap(newer)) return diffMaps(older, newer, path);
  const changedSecrecy = isSecret(older) !== isSecret(newer);
  return same(older, newer) && !changedSecrecy ? {} : { [path]: "update" };
}

function isPresent(value: Value | undefined): boolean {
  return value !== undefined && value !== null;
}

/** The property of the resource that a path lies in: `triggers` of `triggers[0]`. */
export function rootOf(path: string): string {
  return /^[^.[]+/.exec(path)?.[0] ?? path;
}
