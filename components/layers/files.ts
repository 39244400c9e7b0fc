import { readTemplate, render, templatePaths, type View } from "../../lib/render";
import { hereDocument } from "../../lib/shell";

/** Where the files of a host lie below `templates/`, by their paths on it without the first slash. */
const places = new Map<string, string>();
for (const template of templatePaths()) {
  const place = /^(?:runtime|layers\/[^/]+)\/files\/(.*?)(?:\.mustache)?$/.exec(template)?.[1];
  if (place === undefined) continue;
  const other = places.get(place);
  if (other !== undefined) throw new Error(`two templates for /${place}: ${other}, ${template}`);
  places.set(place, template);
}

/** The paths of a host's files below a folder of it, sorted: all that a template is for. */
export function hostPaths(folder: string): string[] {
  return [...places.keys()].filter((path) => path.startsWith(`${folder}/`)).sort();
}

/** The template of a host's file. @throws Error if there is none */
function templateOf(path: string): string {
  const template = places.get(path);
  if (template === undefined) throw new Error(`no template for /${path}`);
  return template;
}

/** The text of a host's file. With a view its template is rendered, without it is taken as is. */
export function hostText(path: string, view?: View): string {
  return view === undefined ? readTemplate(templateOf(path)) : render(templateOf(path), view);
}

/** A file of a host as a here-document for a script. */
export function hostFile(path: string, view?: View): string {
  return hereDocument(hostText(path, view));
}
