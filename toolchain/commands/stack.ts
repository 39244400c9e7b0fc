import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages, labPackages } from "../debian";
import { ensureEngine, environment, type Engine } from "../engine";
import { loadLab } from "../lab";
import { envFile, operatorKeyFile, root } from "../paths";
import { requireLabHost } from "../platform";
import { attach, capture, run } from "../process";
import { StepError, elapsed } from "../report";
import { ensureOperatorKey, ensurePassphrase } from "../secrets";
import { ensureTailnet } from "../tailnet";
import { pinArchive } from "../tailnet/pin";

const STACK = "dev";

/** `up [ARGS…]`: everything from a fresh clone to the dev stack running in the lab; further arguments go to `pulumi up`. */
export async function up(args: string[]): Promise<number> {
  requireLabHost();
  const started = Date.now();
  const engine = await ensureEngine();
  await ensurePackages(labPackages);
  await ensurePassphrase();
  await ensureOperatorKey();
  await ensureTailnet();
  await pinArchive();
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
    const code = await attach("pulumi", ["destroy", "--yes", "--refresh", "--stack", STACK], { cwd: root, env });
    if (code !== 0) return code;
    await run("pulumi", ["stack", "rm", "--yes", "--preserve-config", STACK], { cwd: root, env });
    removeSalt();
  }
  await lab.stopLab({ instance: "dev" });
  return 0;
}

async function ensureStack(env: NodeJS.ProcessEnv): Promise<void> {
  if (await hasStack(env)) return;
  // A salt is only of use with the passphrase that it was made for, and a new stack has a new one.
  removeSalt();
  await run("pulumi", ["stack", "init", STACK, "--non-interactive"], { cwd: root, env });
}

/** Takes the salt out of the stack's configuration. @throws if something there was encrypted with it */
function removeSalt(): void {
  const file = join(root, `Pulumi.${STACK}.yaml`);
  if (!existsSync(file)) return;
  const text = readFileSync(file, "utf8");
  if (!/^encryptionsalt:/m.test(text)) return;
  if (/^\s+secure:/m.test(text)) {
    throw new StepError(
      `${file} holds values that were encrypted with another passphrase: take the lines with "secure:" and ` +
        `"encryptionsalt:" out, and set these values again with toolchain/run pulumi config set --secret`,
    );
  }
  writeFileSync(file, text.replace(/^encryptionsalt:.*\n?/m, ""));
}

async function hasStack(env: NodeJS.ProcessEnv): Promise<boolean> {
  const { stdout } = await run("pulumi", ["stack", "ls", "--json"], { cwd: root, env });
  const stacks = JSON.parse(stdout) as { name: string }[];
  return stacks.some(({ name }) => name === STACK);
}

async function printOutputs(engine: Engine, env: NodeJS.ProcessEnv): Promise<void> {
  const { stdout } = await capture("pulumi", ["stack", "output", "--json", "--stack", STACK], { cwd: root, env });
  const outputs = JSON.parse(stdout) as Record<string, unknown>;
  const byHost = (name: string) => Object.entries((outputs[name] ?? {}) as Record<string, string>);
  const lines: string[] = ["", `engine: ${engine.description}`];
  for (const [host, command] of byHost("sshCommand")) lines.push(`log in to ${host}:`, `  ${command}`);
  for (const [host, url] of byHost("dashboardUrl")) lines.push(`the dashboard of ${host}, on its tailnet:`, `  ${url}`);
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
