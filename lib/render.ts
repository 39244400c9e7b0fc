import * as fs from "node:fs";
import * as path from "node:path";
import Mustache from "mustache";

/**
 * Root of the templates: `runtime/` is what every host has before it has a layer, and the commands on it; `layers/LAYER/` has the
 * layer's script, `apply.sh`. Both have `files/`, in which files lie as on the host.
 */
export const templatesDir = path.join(__dirname, "..", "templates");

/** What a template may refer to: text and numbers are inserted as they are, lists and booleans steer sections. */
export type View = Readonly<Record<string, Value>>;
type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

/** The fields of a mustache syntax tree node that matter here: type, name, and for sections the children. */
type Token = [type: string, name: string, start: number, end: number, children?: Token[] | string, ...rest: unknown[]];

/**
 * Renders a template of `templates/` without HTML escaping.
 *
 * @param file - path below `templates/`, for example `layers/ssh/apply.sh`
 * @param view - the variables
 * @throws Error if the template names a variable that the view lacks, or the view has one that the template never uses
 */
export function render(file: string, view: View): string {
  const template = fs.readFileSync(path.join(templatesDir, file), "utf8");
  return renderText(template, view, file);
}

/** As {@link render}, for a template given as text. `name` is what errors call it. */
export function renderText(template: string, view: View, name: string): string {
  const used = new Set<string>();
  collect(Mustache.parse(template), view, used, name);
  const unknown = Object.keys(view).filter((key) => !used.has(key));
  if (unknown.length > 0) {
    throw new Error(`template ${name}: never uses ${unknown.join(", ")}`);
  }
  return Mustache.render(template, view, undefined, { escape: String });
}

/** Reads a file of `templates/` that has no variables. */
export function readTemplate(file: string): string {
  return fs.readFileSync(path.join(templatesDir, file), "utf8");
}

/** The paths of all files below `templates/`, sorted. */
export function templatePaths(): string[] {
  return fs
    .readdirSync(templatesDir, { recursive: true, encoding: "utf8" })
    .filter((name) => fs.statSync(path.join(templatesDir, name)).isFile())
    .sort();
}

/** Walks the tokens: every name must be in scope, and each top-level name found goes into `used`. */
function collect(tokens: readonly Token[], view: View, used: Set<string>, name: string, inner: readonly View[] = []) {
  for (const [type, key, , , children] of tokens) {
    switch (type) {
      case "text":
      case "!":
        break;
      case "name":
      case "&":
      case "{":
      case "#":
      case "^": {
        const scopes = [...inner, view];
        const scope = scopes.find((candidate) => key === "." || key in candidate);
        if (scope === undefined) {
          throw new Error(`template ${name}: variable ${key} is missing`);
        }
        used.add(key);
        if (Array.isArray(children)) {
          const value: Value | undefined = key === "." ? undefined : scope[key];
          const items = Array.isArray(value) ? (value as readonly Value[]) : [value];
          const nested = items.filter((item): item is View => typeof item === "object" && !Array.isArray(item));
          for (const item of nested.length > 0 ? nested : [{}]) {
            collect(children, view, used, name, [item, ...inner]);
          }
        }
        break;
      }
      default:
        throw new Error(`template ${name}: mustache tag "${type}" is not used here`);
    }
  }
}
