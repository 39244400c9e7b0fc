import { isKey, type Key, type Shape } from "../../lib/config/key";

/** A key or a group of keys, and where it stands. */
export interface Place {
  readonly path: readonly string[];
  readonly node: Key<unknown> | Shape;
}

/** Every place of a shape, its groups too. */
export function placesOf(shape: Shape, above: readonly string[] = []): Place[] {
  return Object.entries(shape).flatMap(([name, node]) => {
    const path = [...above, name];
    return [{ path, node }, ...(isKey(node) ? [] : placesOf(node, path))];
  });
}
