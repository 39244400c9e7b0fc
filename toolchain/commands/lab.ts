import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages, labPackages } from "../debian";
import { ensureEngine, environment } from "../engine";
import { root } from "../paths";
import { attach } from "../process";
import { requireLabHost } from "../platform";
import { ensurePassphrase } from "../secrets";
import { ensureTailnet } from "../tailnet";

/** `lab ARGS…`: the lab's own command line. Only its tailnet has programs that must be built. */
export async function lab(args: string[]): Promise<number> {
  requireLabHost();
  if (args.includes("tailnet")) await ensureTailnet();
  return script("lab/cli.ts", args);
}

/** `bench ARGS…`: the measurements, on a host in the tests' lab. */
export async function bench(args: string[]): Promise<number> {
  requireLabHost();
  await ensurePackages(labPackages);
  const engine = await ensureEngine();
  await ensurePassphrase();
  return script("bench/main.ts", args, environment(engine));
}

async function script(path: string, args: string[], env = process.env): Promise<number> {
  const file = join(root, path);
  if (!existsSync(file)) throw new Error(`${path} does not exist in this checkout`);
  return attach(process.execPath, ["--import", "tsx", file, ...args], { cwd: root, env });
}
