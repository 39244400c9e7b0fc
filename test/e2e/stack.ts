import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";
import { parse, stringify } from "yaml";
import { ensureLab, exec, ls, type ExecResult } from "../../lab/client";
import { isInstanceName, type InstanceName } from "../../lab/instances";
import { sshKeyPair } from "../../lib/keys";
import { caller, callAndWait } from "../lab/cloudApi";

/** The lab of this test file: that of its lane; a file that is run by hand has the one called `test`. */
export const instance: InstanceName = laneOf(process.env["MONOCLAW_LAB_INSTANCE"] ?? "test");
const root = join(__dirname, "../..");
/** Stacks and keys of the tests in this lane. */
export const folder = join(root, ".state/test", instance);
/** The key that the tests log in with, as an operator would. Always the same, for hosts that are kept from one run to the next know it. */
export const operatorKey = join(folder, "operator_ed25519");
const operator = sshKeyPair("0e".repeat(32), "operator");
/** No secret: it guards nothing but hosts of the lab, and kept stacks must open in every checkout. */
const passphrase = "of the tests' stacks";

function laneOf(name: string): InstanceName {
  if (!isInstanceName(name)) {
    throw new Error(`MONOCLAW_LAB_INSTANCE: there is no lab '${name}'`);
  }
  return name;
}

/** What a command printed (stdout and stderr, and both as they came) and how it ended. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly all: string;
  /** `undefined` if a signal ended it. */
  readonly exitCode: number | undefined;
}

function ran(result: { stdout: string; stderr: string; all?: string | undefined; exitCode: number }): Ran {
  return { stdout: result.stdout, stderr: result.stderr, all: result.all ?? "", exitCode: result.exitCode };
}

/** A stack of the real program in the tests' lab, driven by the real engine. */
export class TestStack {
  private readonly configFile: string;
  /** Where ssh finds the stack's host key; unset after each run of the engine. */
  private access: { readonly line: string; readonly address: string } | undefined;
  /** What the state holds; unset likewise. */
  private known: Promise<readonly Resource[]> | undefined;

  /** Where the engine finds the program. */
  private program = root;

  private constructor(readonly name: string) {
    this.configFile = join(folder, `Pulumi.${name}.yaml`);
  }

  /** Makes the stack, without resources yet. One that is left over is taken as it is. */
  static async make(name: string, config: Readonly<Record<string, unknown>> = {}, program = root): Promise<TestStack> {
    const stack = new TestStack(name).runBy(program);
    const { name: project } = parse(readFileSync(join(program, "Pulumi.yaml"), "utf8")) as { name: string };
    mkdirSync(join(folder, "pulumi"), { recursive: true, mode: 0o700 });
    writeFileSync(operatorKey, operator.privateKey, { mode: 0o600 });
    writeFileSync(`${operatorKey}.pub`, `${operator.publicKey}\n`);
    const access = await ensureLab({ instance, progress: () => undefined });
    if (!existsSync(join(folder, `pulumi/.pulumi/stacks/${project}/${name}.json`))) {
      await execa("pulumi", ["stack", "init", "--non-interactive", name], { cwd: program, env: stack.env });
    }
    // `stack init` writes its salt into the project's own file of that name; the tests keep theirs apart.
    const initial = join(program, `Pulumi.${name}.yaml`);
    if (existsSync(initial)) {
      writeFileSync(stack.configFile, readFileSync(initial));
      rmSync(initial);
    }
    stack.configure({
      "hcloud:endpoint": access.endpoint,
      "hcloud:token": access.token,
      // The key itself, not its file: a kept stack is used by other checkouts, too.
      "monoclaw:authorizedKeys": [operator.publicKey],
      // A tailnet costs seconds for each host, and all stacks of a lab share one.
      "monoclaw:tailnet": { enabled: false },
      ...config,
    });
    return stack;
  }

  /** A stack that is there already, as it is configured. */
  static open(name: string): TestStack {
    return new TestStack(name);
  }

  /** The same stack, run by the program in another folder: that of an older release. */
  runBy(program: string): this {
    this.program = program;
    return this;
  }

  private get env(): Record<string, string> {
    return {
      PULUMI_BACKEND_URL: `file://${join(folder, "pulumi")}`,
      PULUMI_CONFIG_PASSPHRASE: passphrase,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      NO_COLOR: "1",
    };
  }

  /** Changes configuration values; `undefined` removes one. */
  configure(values: Readonly<Record<string, unknown>>): void {
    const document = (existsSync(this.configFile) ? parse(readFileSync(this.configFile, "utf8")) : {}) as {
      config?: Record<string, unknown>;
    };
    const merged = Object.entries({ ...document.config, ...values }).filter(([, value]) => value !== undefined);
    writeFileSync(this.configFile, stringify({ ...document, config: Object.fromEntries(merged) }));
  }

  /** Runs the engine on this stack and gives back its output whole, whatever its exit code. */
  pulumi(...args: string[]): Promise<Ran> {
    return this.pulumiWith({}, ...args);
  }

  /** {@link pulumi} with further variables in its environment. */
  async pulumiWith(environment: Readonly<Record<string, string>>, ...args: string[]): Promise<Ran> {
    const own = ["--stack", this.name, "--config-file", this.configFile];
    const began = performance.now();
    try {
      return ran(
        await execa("pulumi", [...args, ...own], {
          cwd: this.program,
          env: { ...this.env, ...environment },
          all: true,
          reject: false,
          stdin: "ignore",
        }),
      );
    } finally {
      if (args[0] !== "preview") {
        this.forget();
      }
      noteStep(`pulumi ${args[0] ?? ""} ${this.name}`, (performance.now() - began) / 1000);
    }
  }

  /** Starts the engine, to be ended by SIGKILL; gives back what does that, and waits until it is gone. */
  start(...args: string[]): () => Promise<void> {
    const own = ["--stack", this.name, "--config-file", this.configFile];
    const run = execa("pulumi", [...args, ...own], {
      cwd: this.program,
      env: this.env,
      reject: false,
      stdio: "ignore",
    });
    return async () => {
      run.kill("SIGKILL");
      assert.equal((await run).signal, "SIGKILL", "it was over before it could be killed");
      this.forget();
    };
  }

  /** Takes the lock away that a killed engine has left, as `pulumi up` tells its operator to. */
  async cancel(): Promise<void> {
    await execa("pulumi", ["cancel", "--yes", "--stack", this.name], { cwd: this.program, env: this.env });
  }

  /** What was read of the state counts no more. */
  private forget(): void {
    this.access = undefined;
    this.known = undefined;
  }

  /**
   * `pulumi up`, which must succeed, without the preview before it: that is the same program once more, and half of the time. What is
   * proved is the host.
   */
  up(...args: string[]): Promise<string> {
    return this.upAsTyped("--skip-preview", ...args);
  }

  /** {@link up} of some layers only, for a test that looks at nothing else on the host. */
  async upLayers(layers: readonly string[]): Promise<string> {
    const urns = (await this.resources()).map(({ urn }) => urn);
    const targets = layers.map((layer) => urns.find((urn) => urn.endsWith(`-${layer}-apply`)) ?? layer);
    return this.up(...targets.flatMap((urn) => ["--target", urn]));
  }

  /** `pulumi up` as an operator types it, its preview included; it must succeed. */
  async upAsTyped(...args: string[]): Promise<string> {
    const result = await this.pulumi("up", "--yes", "--non-interactive", ...args);
    if (result.exitCode !== 0) {
      throw new Error(`pulumi up failed:\n${result.all}\n${await this.hostLog()}`);
    }
    return result.all;
  }

  /** `pulumi up`, which must fail; its output. */
  async failingUp(...args: string[]): Promise<string> {
    const result = await this.pulumi("up", "--yes", "--non-interactive", ...args);
    if (result.exitCode === 0) {
      throw new Error(`pulumi up succeeded, but should not:\n${result.all}`);
    }
    return result.all;
  }

  /** The stack's outputs, secrets in clear. */
  async outputs(): Promise<Readonly<Record<string, unknown>>> {
    return (await this.resources()).find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
  }

  /** {@link outputs} as `pulumi stack output` prints them. */
  async printedOutputs(): Promise<Readonly<Record<string, unknown>>> {
    const own = ["stack", "output", "--json", "--show-secrets", "--stack", this.name];
    const { stdout } = await execa("pulumi", own, { cwd: root, env: this.env });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Every resource of the stack with its inputs and outputs, secrets in clear. They are asked for once after each run of the engine. */
  resources(): Promise<readonly Resource[]> {
    return (this.known ??= this.export());
  }

  private async export(): Promise<readonly Resource[]> {
    const own = ["stack", "export", "--show-secrets", "--stack", this.name];
    const { stdout } = await execa("pulumi", own, { cwd: root, env: this.env });
    const { deployment } = JSON.parse(stdout) as {
      deployment: { resources?: readonly (Pick<Resource, "urn" | "type"> & Partial<Resource>)[] };
    };
    return (deployment.resources ?? []).map((resource) => ({
      ...resource,
      inputs: reveal(resource.inputs ?? {}) as Resource["inputs"],
      outputs: reveal(resource.outputs ?? {}) as Resource["outputs"],
    }));
  }

  /** The gateway's token, from the stack. */
  async token(host = "gateway"): Promise<string> {
    return ((await this.outputs())["gatewayTokens"] as Record<string, string>)[host] ?? "";
  }

  /** The state as it lies on the disk: what a thief of the file would read. */
  plainState(): string {
    return readFileSync(join(folder, `pulumi/.pulumi/stacks/monoclaw/${this.name}.json`), "utf8");
  }

  /** Puts a state back that {@link plainState} gave, as from a back-up. */
  restoreState(text: string): void {
    writeFileSync(join(folder, `pulumi/.pulumi/stacks/monoclaw/${this.name}.json`), text);
    this.forget();
  }

  /** True while a run of the engine holds the stack. */
  isLocked(): boolean {
    const locks = join(folder, `pulumi/.pulumi/locks/organization/monoclaw/${this.name}`);
    return existsSync(locks) && readdirSync(locks).length > 0;
  }

  /** The lab's name of a host of this stack. */
  labName(host = "gateway"): string {
    return `monoclaw-${this.name}-${host}`;
  }

  /** IPv4 address of a host. */
  async address(host = "gateway"): Promise<string> {
    const found = (await ls(instance)).find(({ name }) => name === this.labName(host));
    if (found?.ipv4 === undefined) {
      throw new Error(`the lab has no host ${this.labName(host)}`);
    }
    return found.ipv4;
  }

  /** Runs a shell command line as root on the host, past SSH; fails if it fails. */
  async root(script: string, input?: string): Promise<string> {
    const result = await this.tryRoot(script, input);
    if (result.exitCode !== 0) {
      throw new Error(`on the host: ${script}\nexit code ${String(result.exitCode)}\n${result.stdout}${result.stderr}`);
    }
    return result.stdout;
  }

  /** As {@link root}, whatever the exit code. */
  async tryRoot(script: string, input?: string): Promise<ExecResult> {
    return this.tryRootOf(this.labName(), script, input);
  }

  /** As {@link tryRoot}, on the host with this name in the lab. */
  async tryRootOf(labName: string, script: string, input?: string): Promise<ExecResult> {
    return exec(instance, labName, ["bash", "-c", script], input === undefined ? {} : { input });
  }

  /** Arguments of ssh(1) that reach the host as the operator does, with the stack's pinned host key. */
  async sshArguments(options: SshOptions = {}): Promise<string[]> {
    this.access ??= { line: String((await this.outputs())["knownHosts"]), address: await this.address() };
    const { line } = this.access;
    const address = options.address ?? this.access.address;
    const port = String(options.port ?? 22022);
    const knownHosts = join(folder, `known_hosts.${this.name}.${address}.${port}`);
    const text = `${line.replace(/^\[.*\]:\d+/, `[${address}]:${port}`)}\n`;
    // Not each time: another ssh may be reading it just now.
    if (!existsSync(knownHosts) || readFileSync(knownHosts, "utf8") !== text) {
      writeFileSync(knownHosts, text);
    }
    const settings = [
      `UserKnownHostsFile=${knownHosts}`,
      "StrictHostKeyChecking=yes",
      "BatchMode=yes",
      "IdentitiesOnly=yes",
      // A host that rebooted, or lost its power, may never say so to a connection that only listens.
      ...["ServerAliveInterval=15", "ServerAliveCountMax=4"],
    ];
    return [
      ...["-p", port, "-i", options.key ?? operatorKey],
      ...settings.flatMap((setting) => ["-o", setting]),
      ...(options.args ?? []),
      `${options.user ?? "ops"}@${address}`,
    ];
  }

  /** Logs in as the operator does, and runs a command line. */
  async ssh(command: string, options: SshOptions = {}): Promise<Ran> {
    const args = [...(await this.sshArguments(options)), command];
    const input = options.input ?? "";
    return ran(await execa("ssh", args, { all: true, reject: false, input, env: { SSH_AUTH_SOCK: "" } }));
  }

  /** What the host's journal says of the layers, for the report of a failed test. */
  async hostLog(): Promise<string> {
    try {
      const result = await this.tryRoot(
        "journalctl -t monoclaw _UID=0 -n 40 --no-pager; journalctl -p warning -n 20 --no-pager",
      );
      return `the host's journal:\n${result.stdout}`;
    } catch (error) {
      return `the host's journal can't be read: ${String(error)}`;
    }
  }

  /** Starts the host anew from inside, and waits until it is up again, sshd and all. */
  async reboot(): Promise<void> {
    await this.root("touch /run/e2e-before-boot");
    await this.tryRoot("systemctl reboot");
    await this.booted();
  }

  /** Waits until a host that was told to reboot, and had a file /run/e2e-before-boot, is up again. */
  async booted(): Promise<void> {
    const script = "[[ ! -e /run/e2e-before-boot ]] && systemctl is-active multi-user.target";
    // A gateway may take all of its 90 s to stop; between two boots there is nothing to ask.
    const end = Date.now() + 180_000;
    const isUp = async () => (await this.tryRoot(script).catch(() => undefined))?.stdout === "active\n";
    while (!(await isUp())) {
      if (Date.now() > end) {
        throw new Error("the host isn't up again 180 s after a reboot");
      }
      await sleep(250);
    }
  }

  /** Switches the host on again after a power cut. */
  async powerOn(): Promise<void> {
    const host = (await ls(instance)).find(({ name }) => name === this.labName());
    await ensureLab({ instance, progress: () => undefined });
    await callAndWait(caller(instance), "POST", `servers/${String(host?.id)}/actions/poweron`, undefined, 180);
  }

  /** Destroys the host and the stack. */
  async destroy(): Promise<void> {
    const result = await this.pulumi("destroy", "--yes", "--non-interactive");
    if (result.exitCode !== 0) {
      throw new Error(`pulumi destroy failed:\n${result.all}`);
    }
    await execa("pulumi", ["stack", "rm", "--yes", "--preserve-config", this.name], { cwd: root, env: this.env });
    rmSync(this.configFile);
  }
}

/** A resource as the engine's state holds it. */
export interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Takes a decrypted secret out of its wrapping. */
function reveal(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(reveal);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if ("plaintext" in value) {
    return JSON.parse(String(value.plaintext));
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reveal(inner)]));
}

/** How to log in, where it isn't the usual way. */
export interface SshOptions {
  readonly user?: string;
  readonly port?: number;
  /** Another address than the host's own. */
  readonly address?: string;
  readonly key?: string;
  readonly input?: string | Buffer | Readable;
  /** Further arguments of ssh(1). */
  readonly args?: readonly string[];
}

/** Tells the runner what a step of a test took (seconds), for its table. */
function noteStep(step: string, seconds: number): void {
  const file = process.env["MONOCLAW_TEST_STEPS"];
  if (file !== undefined) {
    appendFileSync(file, `${JSON.stringify({ step, seconds })}\n`);
  }
}
