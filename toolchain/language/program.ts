import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { RunResponse, type RunRequest } from "@pulumi/pulumi/proto/language_pb";
import { readOptions } from "./options";

// Set by Pulumi's Node.js runtime when it has already shown the user an error (cmd/run/index.js there).
const ALREADY_SHOWN = 32;

// After an interrupt the program has this long to end by itself.
const GRACE_MS = 5_000;

/**
 * Runs a Pulumi program to its end, its output passed on line by line.
 *
 * @param engine address of the engine
 * @param signal interrupts the program
 */
export async function runProgram(request: RunRequest, engine: string, signal: AbortSignal): Promise<RunResponse> {
  const folder = request.getInfo()?.getProgramDirectory() ?? request.getPwd();
  const options = readOptions(request.getInfo()?.getOptions()?.toJavaScript() ?? {});
  const runner = locateRunner(folder);
  const preload = ["--require", join(__dirname, "pulumi-program-preload.js")];
  const args = [...preload, ...options.nodeargs, runner, ...argumentsOf(request, engine, folder)];
  const child = spawn(process.execPath, args, {
    cwd: process.cwd(),
    env: {
      ...process.env,
      PULUMI_CONFIG: JSON.stringify(configOf(request)),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
      ...(options.typescript && { PULUMI_NODEJS_TYPESCRIPT: "true" }),
      ...(options.tsconfig !== undefined && { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.pipe(process.stdout, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  const interrupt = (): void => {
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGKILL"), GRACE_MS).unref();
  };
  signal.addEventListener("abort", interrupt, { once: true });
  if (signal.aborted) interrupt();
  const response = new RunResponse();
  await new Promise<void>((resolve) => {
    child.on("error", (error) => {
      response.setError(`Problem executing program (could not run language executor): ${error.message}`);
      resolve();
    });
    child.on("close", (code, killedBy) => {
      if (code === ALREADY_SHOWN) response.setBail(true);
      else if (killedBy !== null) response.setError(`Program exited unexpectedly: signal: ${killedBy}`);
      else if (code !== 0) response.setError(`Program exited with non-zero exit code: ${String(code)}`);
      resolve();
    });
  });
  signal.removeEventListener("abort", interrupt);
  return response;
}

function locateRunner(folder: string): string {
  const override = process.env["PULUMI_LANGUAGE_NODEJS_RUN_PATH"];
  try {
    return createRequire(join(folder, "package.json")).resolve(override ?? "@pulumi/pulumi/cmd/run");
  } catch {
    throw new Error(`${folder}: the Pulumi SDK has not been installed: run npm ci there`);
  }
}

/** Command line of Pulumi's Node.js runtime. */
function argumentsOf(request: RunRequest, engine: string, folder: string): string[] {
  const named: [string, string | undefined][] = [
    ["monitor", request.getMonitorAddress()],
    ["engine", engine],
    ["organization", request.getOrganization()],
    ["project", request.getProject()],
    ["root-directory", request.getInfo()?.getRootDirectory()],
    ["stack", request.getStack()],
    ["pwd", folder],
    ["parallel", String(request.getParallel())],
  ];
  const flags = named.flatMap(([name, value]) => (value ? [`--${name}`, value] : []));
  if (request.getDryrun()) flags.push("--dry-run");
  return [...flags, request.getInfo()?.getEntryPoint() ?? ".", ...request.getArgsList()];
}

function configOf(request: RunRequest): Record<string, string> {
  return Object.fromEntries(request.getConfigMap().entries());
}
