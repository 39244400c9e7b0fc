import { render } from "../../lib/render";
import { hereDocument } from "../../lib/shell";
import type { LayerDefinition } from "./definition";
import { hostFile, hostText } from "./files";

// What receiver.sh sources comes before it: a receiver that is swapped in must find it, whatever happens in between.
const scriptNames = ["journal.sh", "layer.sh", "receiver.sh", "monoclaw-config", "deploy-entry"];

/** The host's own tools for signed layers, which the bootstrap and the receiver layer both bring, by the text of their scripts. */
function receiverFiles(textOf: (path: string) => string) {
  return {
    scripts: scriptNames.map((name) => ({ name, text: hereDocument(textOf(`usr/local/vps-scripts/${name}`)) })),
    recoverUnit: hostFile("etc/systemd/system/monoclaw-recover.service"),
  };
}

/** For the bootstrap: without lines of comments, as user_data has little room. The receiver layer brings the scripts as they are. */
export function bootstrapFiles() {
  return receiverFiles((path) => withoutComments(hostText(path)));
}

/** A shell script without its lines of comments, but for the first line. */
export function withoutComments(script: string): string {
  return script.replaceAll(/^[ \t]*#(?!!).*\n/gm, "");
}

/** Script of the receiver layer: keeps the host's tools at the stack's version. */
export function receiverScript(): string {
  return render("layers/receiver/apply.sh", receiverFiles(hostText));
}

export const receiverLayer: LayerDefinition = { name: "receiver", after: [], script: receiverScript };
