import { hereDocument } from "../../lib/shell";
import { readTemplate, render, type View } from "../../lib/render";

/** A file of `templates/host/` as a here-document for a script. With a view it is rendered, without it is taken as is. */
export function hostFile(path: string, view?: View): string {
  return hereDocument(view === undefined ? readTemplate(`host/${path}`) : render(`host/${path}.mustache`, view));
}
