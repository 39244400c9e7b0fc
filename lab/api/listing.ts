import { Labels } from "../state";
import { invalidInput } from "./errors";

/** Query of a request, as fastify parses it: a repeated key is a list. */
export type Query = Readonly<Record<string, string | string[] | undefined>>;

/** All values of a query key. */
export function queryValues(query: Query, key: string): string[] {
  const value = query[key];
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

const maxPerPage = 50;

function positive(query: Query, key: string, fallback: number): number {
  const [text] = queryValues(query, key);
  if (text === undefined || text === "") {
    return fallback;
  }
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw invalidInput(key, "must be a positive number");
  }
  return value;
}

/** Filters that every kind of resource with these fields has. */
export interface Listed {
  readonly id: number;
  readonly name?: string | null;
  readonly labels?: Labels;
  readonly created?: string | null;
}

/**
 * Filters, sorts and cuts a list as the API does, e.g. `?name=x&label_selector=a%3Db&sort=name:desc&page=2&per_page=50`.
 *
 * @param key - name of the list in the answer
 * @param show - makes the answer's form of one item
 */
export function listing<T extends Listed>(
  key: string,
  items: readonly T[],
  query: Query,
  show: (item: T) => unknown,
): object {
  const names = queryValues(query, "name");
  const [selector] = queryValues(query, "label_selector");
  const matching = items.filter(
    (item) =>
      (names.length === 0 || names.includes(item.name ?? "")) &&
      (selector === undefined || matchesSelector(selector, item.labels ?? {})),
  );
  const sorted = sortItems(matching, queryValues(query, "sort"));
  const page = positive(query, "page", 1);
  const perPage = Math.min(positive(query, "per_page", 25), maxPerPage);
  const lastPage = Math.max(1, Math.ceil(sorted.length / perPage));
  return {
    [key]: sorted.slice((page - 1) * perPage, page * perPage).map(show),
    meta: {
      pagination: {
        page,
        per_page: perPage,
        previous_page: page > 1 ? page - 1 : null,
        next_page: page < lastPage ? page + 1 : null,
        last_page: lastPage,
        total_entries: sorted.length,
      },
    },
  };
}

function sortItems<T extends Listed>(items: readonly T[], sorts: readonly string[]): T[] {
  const sorted = [...items];
  // Later keys first: sorting is stable, so the first key decides in the end.
  for (const sort of [...sorts].reverse()) {
    const [field = "", direction = "asc"] = sort.split(":");
    if (!["asc", "desc"].includes(direction)) {
      throw invalidInput("sort", `'${sort}' is not FIELD, FIELD:asc or FIELD:desc`);
    }
    const sign = direction === "desc" ? -1 : 1;
    sorted.sort((a, b) => sign * compare(valueOf(a, field), valueOf(b, field)));
  }
  return sorted;
}

function valueOf(item: object, field: string): string | number {
  const value = Object.entries(item).find(([name]) => name === field)?.[1] as unknown;
  return typeof value === "number" ? value : typeof value === "string" ? value : "";
}

function compare(a: string | number, b: string | number): number {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : a === b ? 0 : 1;
}

/**
 * True if labels meet a selector of the API, a comma separated list of: `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`,
 * `k notin (a,b)`.
 */
export function matchesSelector(selector: string, labels: Labels): boolean {
  // Commas inside parentheses belong to one term.
  return selector.split(/,(?![^(]*\))/).every((term) => matchesTerm(term.trim(), labels));
}

function matchesTerm(term: string, labels: Labels): boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const value = labels[key];
    const inside = value !== undefined && list.split(",").some((item) => item.trim() === value);
    return operator === "in" ? inside : !inside;
  }
  const equality = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/.exec(term);
  if (equality !== null) {
    const [, key = "", operator, value] = equality;
    return operator === "!=" ? labels[key] !== value : labels[key] === value;
  }
  const existence = /^(!?)\s*([^\s=!(),]+)$/.exec(term);
  if (existence !== null) {
    const [, not, key = ""] = existence;
    return (labels[key] === undefined) === (not === "!");
  }
  throw invalidInput("label_selector", `'${term}' is not a label selector`);
}
