import { render } from "../../lib/render";
import { hostFile } from "./files";

// What receiver.sh sources comes before it: a receiver that is swapped in must find it, whatever happens in between.
const scriptNames = ["journal.sh", "layer.sh", "receiver.sh", "monoclaw-config", "deploy-entry"];

/** The host's own tools for signed layers, which the bootstrap and the receiver layer both bring. */
export function receiverFiles() {
  return {
    scripts: scriptNames.map((name) => ({ name, text: hostFile(`usr/local/vps-scripts/${name}`) })),
    recoverUnit: hostFile("etc/systemd/system/monoclaw-recover.service"),
  };
}

/** Script of the receiver layer: keeps the host's tools at the stack's version. */
export function receiverScript(): string {
  return render("layers/receiver.sh", receiverFiles());
}
