import { ensureEngine, environment } from "../engine";
import { envFile } from "../paths";
import { attach } from "../process";
import { ensurePassphrase } from "../secrets";

/** `env`: prints the one line to source. */
export async function env(): Promise<number> {
  await ensureEngine();
  await ensurePassphrase();
  process.stdout.write(`source ${envFile}\n`);
  return 0;
}

/** `pulumi ARGS…`: runs the engine in the current folder. */
export async function pulumi(args: string[]): Promise<number> {
  const engine = await ensureEngine();
  await ensurePassphrase();
  return attach("pulumi", args, { env: environment(engine) });
}
