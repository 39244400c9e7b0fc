import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "../paths";
import { attach } from "../process";
import { requireLabHost } from "../platform";

/** `lab ARGS…`: the lab's own command line. */
export async function lab(args: string[]): Promise<number> {
  requireLabHost();
  return script("lab/cli.ts", args);
}

/** `bench ARGS…`: the measurements. */
export async function bench(args: string[]): Promise<number> {
  requireLabHost();
  return script("bench/main.ts", args);
}

async function script(path: string, args: string[]): Promise<number> {
  const file = join(root, path);
  if (!existsSync(file)) throw new Error(`${path} does not exist in this checkout`);
  return attach(process.execPath, ["--import", "tsx", file, ...args], { cwd: root });
}
