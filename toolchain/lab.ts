import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths";
import { StepError } from "./report";

/** What the toolchain uses of lab/client.ts. */
export interface Lab {
  /** Makes the lab's API answer; prints what it does. */
  ensureLab(options: { instance: string }): Promise<unknown>;
  /** Stops its hosts and its API. */
  stopLab(options: { instance: string }): Promise<unknown>;
}

/** Loads the lab only when it is needed: it brings a web server with it. */
export async function loadLab(): Promise<Lab> {
  const file = join(root, "lab/client.ts");
  if (!existsSync(file)) throw new StepError("lab/client.ts does not exist in this checkout");
  return (await import(file)) as Lab;
}
