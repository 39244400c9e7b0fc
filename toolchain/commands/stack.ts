import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages, labPackages } from "../debian";
import { ensureEngine, environment, type Engine } from "../engine";
import { loadLab } from "../lab";
import { envFile, operatorKeyFile, root } from "../paths";
import { requireLabHost } from "../platform";
import { attach, capture, run } from "../process";
import { elapsed } from "../report";
import { ensureOperatorKey, ensurePassphrase } from "../secrets";

const STACK = "dev";

/** `up [ARGS…]`: everything from a fresh clone to the dev stack running in the lab; further arguments go to `pulumi up`. */
export async function up(args: string[]): Promise<number> {
  requireLabHost();
  const started = Date.now();
  const engine = await ensureEngine();
  await ensurePackages(labPackages);
  await ensurePassphrase();
  await ensureOperatorKey();
  await (await loadLab()).ensureLab({ instance: "dev" });
  const env = environment(engine);
  await ensureStack(env);
  const code = await attach("pulumi", ["up", "--yes", "--stack", STACK, ...args], { cwd: root, env });
  if (code !== 0) return code;
  await printOutputs(engine, env);
  process.stderr.write(`\nnpm run up: done in ${elapsed(started)}\n`);
  return 0;
}

/** `down`: destroys the dev stack, removes it, and stops the lab. */
export async function down(): Promise<number> {
  requireLabHost();
  const env = environment(await ensureEngine());
  await ensurePassphrase();
  const lab = await loadLab();
  if (await hasStack(env)) {
    // The provider plugin deletes through the lab's API: it must answer.
    await lab.ensureLab({ instance: "dev" });
    const code = await attach("pulumi", ["destroy", "--yes", "--stack", STACK], { cwd: root, env });
    if (code !== 0) return code;
    await run("pulumi", ["stack", "rm", "--yes", "--preserve-config", STACK], { cwd: root, env });
  }
  await lab.stopLab({ instance: "dev" });
  return 0;
}

async function ensureStack(env: NodeJS.ProcessEnv): Promise<void> {
  if (await hasStack(env)) return;
  const file = join(root, `Pulumi.${STACK}.yaml`);
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  await run("pulumi", ["stack", "init", STACK, "--non-interactive"], { cwd: root, env });
  void before;
}

async function hasStack(env: NodeJS.ProcessEnv): Promise<boolean> {
  const { stdout } = await run("pulumi", ["stack", "ls", "--json"], { cwd: root, env });
  const stacks = JSON.parse(stdout) as { name: string }[];
  return stacks.some(({ name }) => name === STACK);
}

async function printOutputs(engine: Engine, env: NodeJS.ProcessEnv): Promise<void> {
  const { stdout } = await capture("pulumi", ["stack", "output", "--json", "--stack", STACK], { cwd: root, env });
  const outputs = JSON.parse(stdout) as Record<string, unknown>;
  const commands = outputs["sshCommand"];
  const lines: string[] = ["", `engine: ${engine.description}`];
  for (const [host, command] of Object.entries((commands ?? {}) as Record<string, string>)) {
    lines.push(`log in to ${host}:`, `  ${command}`);
  }
  lines.push(
    "the gateway's token:",
    "  toolchain/run pulumi stack output gatewayTokens --show-secrets --json",
    "the operator's key:",
    `  ${operatorKeyFile}`,
    "put this engine into your shell, for pulumi preview, up, destroy:",
    `  source ${envFile}`,
  );
  process.stdout.write(`${lines.join("\n")}\n`);
}
