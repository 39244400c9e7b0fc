import { Labels } from "../state";
import { ApiError } from "./errors";

const labelName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const labelPrefix = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** What is wrong with labels by the API's rules, or undefined. */
export function labelProblem(labels: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, value] of Object.entries(labels)) {
    const [name = "", ...prefix] = key.split("/").reverse();
    if (prefix.length > 1 || !labelName.test(name) || prefix.some((part) => !labelPrefix.test(part))) {
      return `label key '${key}' is not correctly formatted`;
    }
    if (typeof value !== "string" || (value !== "" && !labelName.test(value))) {
      return `label value '${String(value)}' (key: ${key}) is not correctly formatted`;
    }
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads the fields of a request body and collects everything that is wrong, so that one answer names it all.
 * Call {@link check} before the values are used.
 */
export class Input {
  private readonly fields: Record<string, unknown>;
  private readonly problems = new Map<string, string[]>();

  constructor(
    body: unknown,
    private readonly path = "",
  ) {
    this.fields = isObject(body) ? body : {};
    if (body !== undefined && body !== null && !isObject(body)) {
      throw new ApiError(400, "json_error", "invalid JSON: the body must be an object");
    }
  }

  /** Notes a mistake. */
  reject(field: string, message: string): void {
    const name = `${this.path}${field}`;
    this.problems.set(name, [...(this.problems.get(name) ?? []), message]);
  }

  /** Throws everything collected so far as one error. */
  check(): void {
    if (this.problems.size > 0) {
      const fields = [...this.problems].map(([name, messages]) => ({ name, messages }));
      const names = fields.map(({ name }) => `'${name}'`).join(", ");
      throw new ApiError(422, "invalid_input", `invalid input in field${fields.length > 1 ? "s" : ""} ${names}`, {
        fields,
      });
    }
  }

  /** True if the field is there and not null. */
  has(field: string): boolean {
    return this.fields[field] !== undefined && this.fields[field] !== null;
  }

  private optional<T>(field: string, want: string, accept: (value: unknown) => value is T): T | undefined {
    const value = this.fields[field];
    if (value === undefined || value === null) {
      return undefined;
    }
    if (!accept(value)) {
      this.reject(field, `must be ${want}`);
      return undefined;
    }
    return value;
  }

  private required(field: string): void {
    if (!this.has(field)) {
      this.reject(field, "Missing data for required field.");
    }
  }

  /** A string, or undefined. */
  text(field: string): string | undefined {
    return this.optional(field, "a string", (value) => typeof value === "string");
  }

  /** A string that must be there and not empty. */
  requiredText(field: string): string {
    this.required(field);
    const value = this.text(field);
    if (value === "") {
      this.reject(field, "must not be empty");
    }
    return value ?? "";
  }

  /** true or false, or undefined. */
  flag(field: string): boolean | undefined {
    return this.optional(field, "true or false", (value) => typeof value === "boolean");
  }

  /** A resource's number, or undefined. */
  id(field: string): number | undefined {
    return this.optional(field, "a number", (value): value is number => Number.isInteger(value));
  }

  /** A resource's number that must be there. */
  requiredId(field: string): number {
    this.required(field);
    return this.id(field) ?? 0;
  }

  /** A list of numbers; empty if absent. */
  ids(field: string): number[] {
    const isList = (value: unknown): value is number[] => Array.isArray(value) && value.every(Number.isInteger);
    return this.optional(field, "a list of numbers", isList) ?? [];
  }

  /** A number or a name, both as text; must be there. */
  idOrName(field: string): string {
    this.required(field);
    const isReference = (value: unknown): value is string | number =>
      (typeof value === "string" && value !== "") || Number.isInteger(value);
    const value = this.optional(field, "an ID or a name", isReference);
    return value === undefined ? "" : String(value);
  }

  /** One of these words, or undefined. */
  choice<T extends string>(field: string, choices: readonly T[]): T | undefined {
    return this.optional(field, `one of ${choices.join(", ")}`, (value): value is T =>
      choices.some((choice) => choice === value),
    );
  }

  /** Labels by the API's rules, or undefined. */
  labels(field = "labels"): Labels | undefined {
    const value = this.optional(field, "an object", isObject);
    const problem = value === undefined ? undefined : labelProblem(value);
    if (problem !== undefined) {
      this.reject(field, problem);
      return undefined;
    }
    return value as Labels | undefined;
  }

  /** A list of objects, each to be read in the same way; undefined if absent. */
  objects<T>(field: string, readOne: (input: Input) => T): T[] | undefined {
    const isList = (value: unknown): value is unknown[] => Array.isArray(value) && value.every(isObject);
    const value = this.optional(field, "a list of objects", isList);
    return value?.map((body, index) => this.inner(body, `${field}.${String(index)}.`, readOne));
  }

  /** One object inside the body; undefined if absent. */
  object<T>(field: string, readIt: (input: Input) => T): T | undefined {
    const value = this.optional(field, "an object", isObject);
    return value === undefined ? undefined : this.inner(value, `${field}.`, readIt);
  }

  private inner<T>(body: unknown, path: string, readIt: (input: Input) => T): T {
    const input = new Input(body, `${this.path}${path}`);
    const result = readIt(input);
    for (const [name, messages] of input.problems) {
      this.problems.set(name, messages);
    }
    return result;
  }

  /** A list of strings; empty if absent. */
  texts(field: string): string[] {
    const isList = (value: unknown): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === "string");
    return this.optional(field, "a list of strings", isList) ?? [];
  }
}
