import type { Change } from "./diff";
import type { Log } from "./engine";
import type { Failure, Fields } from "./fields";
import type { JsonMap, Value, ValueMap } from "./values";

/** What every call about a resource knows. */
export interface Context {
  urn: string;
  /** The name in the program. */
  name: string;
  log: Log;
  /** Aborted when the user cancels the update. */
  signal: AbortSignal;
}

/** A change, and whether it needs a new resource. */
export interface Difference {
  change: Change;
  replace: boolean;
}

/** What `check` may look at beside the inputs. */
export interface CheckContext {
  name: string;
  /** Inputs of the resource as it stands; none for a new one. */
  olds: ValueMap | undefined;
  /** What random choices are made from, so that an update makes those of its preview. */
  seed: Uint8Array;
}

/** A resource as it is after a create, a read or an update; values without marks of secrecy. */
export interface State {
  id: string;
  outputs: JsonMap;
  /** Inputs as `read` found them; the ones of the program otherwise. */
  inputs?: JsonMap;
}

/** One resource type that a stand-in plugin manages. Inputs and outputs come and go without marks of secrecy. */
export interface Resource {
  inputs: Fields;
  /** Outputs that are no inputs. */
  outputs: readonly string[];
  /** Outputs that are secret in themselves. */
  secretOutputs?: readonly string[];
  /** Outputs that an update never changes, so that a preview knows them. */
  stable?: readonly string[];
  /** True if a replacement can't exist beside the old resource, for one thing because of its name. */
  deleteBeforeReplace?(olds: ValueMap, news: ValueMap): boolean;
  /** Checks and defaults beyond what `inputs` states; may change `inputs`. */
  check?(inputs: ValueMap, context: CheckContext): Failure[];
  /** Asks the API, in a preview too, whether it would take these inputs; throws what is wrong with them. */
  validate?(inputs: JsonMap, context: Context): Promise<void>;
  /** The output for whose sake the resource is replaced although no input changed. */
  mustReplace?(state: ValueMap, news: ValueMap): string | undefined;
  /** The form in which two values of a property are compared, such as a sorted set. */
  canonical?: (key: string, value: Value, of: "state" | "inputs") => Value | undefined;
  create(inputs: JsonMap, context: Context): Promise<State>;
  /** Resolves with undefined if there is no such resource any more. Without it a refresh keeps the state. */
  read?(id: string, inputs: JsonMap, outputs: JsonMap, context: Context): Promise<State | undefined>;
  /** Without it every change replaces. */
  update?: (id: string, olds: JsonMap, news: JsonMap, context: Context) => Promise<JsonMap>;
  delete(id: string, outputs: JsonMap, context: Context): Promise<void>;
}

/** A whole stand-in plugin. */
export interface Plugin<Config> {
  /** Name of the official plugin, such as `command`. */
  name: string;
  /** Version of the official plugin that it stands in for. */
  version: string;
  /** Its provider configuration. */
  config: Fields;
  /** Reads the configuration; throws what is wrong with it. Secrets are revealed. */
  configure(config: JsonMap): Config | Promise<Config>;
  /** The resource types by token. */
  resources(config: Config): Record<string, Resource>;
  /** The functions by token: what a program can ask, in a preview too. */
  functions?(config: Config): Record<string, Ask>;
}

/** A function of a plugin, from arguments to result; throws if there is none. */
export type Ask = (args: JsonMap) => Promise<JsonMap>;

/** Part of the work was done before it failed: the engine keeps the resource, tainted, with this state. */
export class PartialFailure extends Error {
  constructor(
    message: string,
    readonly state: State,
  ) {
    super(message);
  }
}
