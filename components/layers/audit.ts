import * as pulumi from "@pulumi/pulumi";
import { render } from "../../lib/render";
import type { LayerDefinition } from "./definition";

/** Script of the audit layer, the gate at the end. `layers`: the others, each with its digest, so that it follows them. */
export function auditScript(layers: readonly { readonly name: string; readonly digest: string }[]): string {
  return render("layers/audit/apply.sh", { layers });
}

export const auditLayer: LayerDefinition = {
  name: "audit",
  script: ({ layers }) => {
    const digests = [...layers].map(([name, { digest }]) => ({ name, digest }));
    return pulumi.output(digests).apply(auditScript);
  },
};
