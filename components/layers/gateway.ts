import { openClawPackages } from "../../lib/openclawPackages";
import { gatewayPort, managedSettings, type JsonObject } from "../../lib/openclawSettings";
import { render } from "../../lib/render";
import { hereDocument, quote } from "../../lib/shell";
import { hostFile } from "./files";

/** What the gateway layer needs to know. */
export interface GatewayArgs {
  /** The stack's own settings of openclaw.json. */
  readonly settings: JsonObject;
  /** `MemoryMax=` of the service, a number with M or G. */
  readonly memoryMax: string;
  /** `TasksMax=` of the service. */
  readonly tasksMax: number;
}

/** Script of the gateway layer (document: Loopback Binding, Systemd Service Hardening). */
export function gatewayScript({ settings, memoryMax, tasksMax }: GatewayArgs): string {
  // A change of version changes this layer too, so that the service moves to the new folder.
  const { id } = openClawPackages();
  return render("layers/gateway.sh", {
    id: quote(id),
    port: gatewayPort,
    settings: hereDocument(JSON.stringify(managedSettings(settings), null, 2) + "\n"),
    unit: hostFile("etc/systemd/system/openclaw.service", {
      id,
      port: gatewayPort,
      memoryMax,
      tasksMax,
      heapMax: heapOf(memoryMax),
    }),
  });
}

/** Node.js's heap limit in MiB: 60 % of the service's memory, the rest is for buffers, code and helper processes. */
function heapOf(memoryMax: string): number {
  const mebibytes = Number.parseInt(memoryMax, 10) * (memoryMax.endsWith("G") ? 1024 : 1);
  return Math.floor(mebibytes * 0.6);
}
