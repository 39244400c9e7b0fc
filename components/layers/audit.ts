import { render } from "../../lib/render";

/** Script of the audit layer, the gate at the end. `layers`: the others, each with its digest, so that it follows them. */
export function auditScript(layers: readonly { readonly name: string; readonly digest: string }[]): string {
  return render("layers/audit.sh", { layers });
}
