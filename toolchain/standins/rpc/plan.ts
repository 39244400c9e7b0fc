import { diffMaps, rootOf, type Changes } from "./diff";
import type { Difference, Resource } from "./resource";
import {
  isSecret,
  UNKNOWN,
  containsSecret,
  isMap,
  reveal,
  same,
  secret,
  type JsonMap,
  type Value,
  type ValueMap,
} from "./values";

/**
 * What an update from one state to new inputs changes. Compared with the state, not with the old inputs, so that drift which a refresh
 * found counts; what the state does not mirror is compared with the old inputs.
 */
export function plan(
  resource: Resource,
  state: ValueMap,
  oldInputs: ValueMap,
  news: ValueMap,
): Record<string, Difference> {
  const olds: ValueMap = {};
  const compared: ValueMap = {};
  for (const [key, field] of Object.entries(resource.inputs)) {
    const older = key in state ? state[key] : oldInputs[key];
    const newer = news[key];
    if (field.computed === true && newer === undefined) continue;
    if (looksSame(resource, key, older, newer)) continue;
    if (older !== undefined) olds[key] = older;
    if (newer !== undefined) compared[key] = newer;
  }
  const changes = withReplaces(resource, diffMaps(olds, compared));
  const reason = resource.mustReplace?.(state, news);
  return reason === undefined ? changes : { ...changes, [reason]: { change: "update", replace: true } };
}

function looksSame(resource: Resource, key: string, older: Value | undefined, newer: Value | undefined): boolean {
  const { canonical } = resource;
  if (canonical === undefined) return false;
  const before = older === undefined ? undefined : canonical(key, reveal(older), "state");
  const after = newer === undefined ? undefined : canonical(key, reveal(newer), "inputs");
  return same(before, after);
}

/** Marks those changes that need a new resource. */
function withReplaces(resource: Resource, changes: Changes): Record<string, Difference> {
  return Object.fromEntries(
    Object.entries(changes).map(([path, change]) => {
      const replace = resource.update === undefined || resource.inputs[rootOf(path)]?.replace === true;
      return [path, { change, replace }];
    }),
  );
}

/** What a preview can know of the outputs: the inputs, outputs that stay, and unknowns. */
export function foresee(resource: Resource, inputs: ValueMap, state: ValueMap | undefined, changed: boolean): ValueMap {
  const outputs: ValueMap = { ...inputsOf(resource, inputs) };
  for (const key of Object.keys(resource.inputs)) {
    if (outputs[key] !== undefined || resource.inputs[key]?.computed !== true) continue;
    outputs[key] = state?.[key] ?? UNKNOWN;
  }
  for (const key of resource.outputs) {
    const stays = state?.[key] !== undefined && (!changed || resource.stable?.includes(key) === true);
    outputs[key] = stays ? (state[key] ?? null) : UNKNOWN;
  }
  return markSecrets(resource, outputs, inputs);
}

/** Puts the marks of secrecy back on what a resource returned: an output is secret where the input of its name is. */
export function markSecrets(resource: Resource, outputs: ValueMap, inputs: ValueMap): ValueMap {
  const marked: ValueMap = {};
  for (const [key, value] of Object.entries(outputs)) {
    const always = resource.inputs[key]?.secret === true || resource.secretOutputs?.includes(key) === true;
    marked[key] = always ? secret(value) : like(inputs[key], value);
  }
  return marked;
}

/** The same value with the marks of its model; if it differs and the model holds a secret, secret as a whole. */
function like(model: Value | undefined, value: Value): Value {
  if (isSecret(value) || !containsSecret(model)) return value;
  return model !== undefined && same(model, value) ? model : secret(value);
}

/** Only what the resource has as inputs: the engine adds keys of its own. */
export function inputsOf(resource: Resource, values: ValueMap): ValueMap {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key in resource.inputs));
}

/** Plain properties, for the code that does the work. */
export function plain(values: ValueMap): JsonMap {
  const revealed = reveal(values);
  return isMap(revealed) ? (revealed as JsonMap) : {};
}
