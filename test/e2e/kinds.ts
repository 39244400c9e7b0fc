import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { ensureLab, loadLab, ls, saveLab } from "../../lab/client";
import { baseFor } from "../../lab/host/image";
import { suites } from "../../lab/host/suites";
import { tailscaleArchive } from "../../lab/tailnet/downloads";
import { instanceOf } from "../../lab/instances";
import { cached, fingerprint } from "../../toolchain/cache";
import { root } from "../../toolchain/paths";
import { cloud, until } from "./attacker";
import { folder, instance, TestStack } from "./stack";
import { onTailnet } from "./tailnetStack";

/**
 * A kind of provisioned host. It is brought up from nothing once for each content, and kept in the cache with the stack that owns
 * it. Every test file gets it from there, as no other test has touched it: disk, stack, cloud and tailnet.
 */
interface KindDefinition {
  /** Name of the stack. */
  readonly stack: string;
  readonly config: () => Readonly<Record<string, unknown>>;
}

const kinds = {
  /** Debian 13 without a tailnet: SSH and the gateway. */
  ssh: { stack: "shared", config: () => ({}) },
  /** The same on the lab's tailnet, its dashboard open to alice. */
  tailnet: { stack: "tailed", config: () => onTailnet({ users: ["alice@example.com"], overwriteAcl: true }) },
  /** Two hosts of one stack. */
  two: { stack: "two", config: () => ({ "monoclaw:hosts": { gateway: {}, second: {} } }) },
} as const satisfies Record<string, KindDefinition>;

export type Kind = keyof typeof kinds;

/** How a kept host is started. */
export interface Start {
  /** Without the gateway, whose start takes 10 s of a processor: for tests that don't look at it. @default true */
  readonly gateway?: boolean;
}

/** What goes into a kept host: the program, the lab and the engine that make it, and how it is made here. */
const sources = ["templates", "components", "lib", "index.ts", "Pulumi.yaml", "package-lock.json", "lab"]
  .concat(["toolchain/standins", "toolchain/engine", "toolchain/tailnet"])
  .concat(["test/e2e/kinds.ts", "test/e2e/stack.ts", "test/e2e/tailnetStack.ts"]);

function kept(kind: Kind): string {
  const bases = [baseFor(suites["debian-13"] ?? "").key, tailscaleArchive(instanceOf(instance)).sha256];
  const hash = fingerprint(
    sources.map((path) => join(root, path)),
    [kind, ...bases],
  );
  return cached(join("kinds", kind), hash);
}

/** What this process's lab holds: decided once, by the first test that asks. */
let chosen:
  { readonly kind: Kind; readonly ready: Promise<TestStack> } | { kind: "own"; ready: Promise<void> } | undefined;

/** A host of this kind, for all tests of this file; the lab is as it was when the host was new. */
export function keptHost(kind: Kind, start: Start = {}): Promise<TestStack> {
  chosen ??= { kind, ready: restore(kind, start) };
  if (chosen.kind !== kind) {
    throw new Error(`this file has a lab of kind ${chosen.kind} already: one file, one kind`);
  }
  return chosen.ready;
}

/** An empty lab, for a file that makes its hosts from nothing. */
export function emptyLab(): Promise<void> {
  chosen ??= { kind: "own", ready: clear() };
  if (chosen.kind !== "own") {
    throw new Error(`this file has a lab of kind ${chosen.kind} already: one file, one kind`);
  }
  return chosen.ready;
}

async function clear(): Promise<void> {
  await ensureLab({ instance, progress: () => undefined });
  await loadLab(instance);
  rmSync(folder, { recursive: true, force: true });
}

/** A stack without resources yet in an empty lab, for a file that makes its hosts from nothing. */
export async function ownStack(name: string, config: Readonly<Record<string, unknown>> = {}): Promise<TestStack> {
  await emptyLab();
  return TestStack.make(name, config);
}

async function restore(kind: Kind, { gateway = true }: Start): Promise<TestStack> {
  await ensureLab({ instance, progress: () => undefined });
  const home = kept(kind);
  if (!existsSync(home)) {
    await locked(`${home}.lock`, async () => {
      if (!existsSync(home)) {
        await keep(kind, home);
      }
    });
  }
  utimesSync(home, new Date(), new Date());
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(home, "stacks"), folder, { recursive: true });
  await loadLab(instance, join(home, "lab"), gateway ? [] : ["systemd.mask=openclaw.service"]);
  const { stack: name, config } = kinds[kind];
  const stack = await TestStack.make(name, config());
  await started(stack, gateway);
  return stack;
}

/** Brings the kind up from nothing, shuts its hosts down as an operator does, and moves all of it into the cache. */
async function keep(kind: Kind, home: string): Promise<void> {
  await clear();
  const { stack: name, config } = kinds[kind];
  const stack = await TestStack.make(name, config());
  await stack.up();
  await started(stack, true);
  for (const { id } of await ls(instance)) {
    await cloud("POST", `servers/${String(id)}/actions/shutdown`);
  }
  await until("the hosts are off", 60, async () => (await ls(instance)).every(({ status }) => status === "off"));
  const partial = `${home}.partial-${String(process.pid)}`;
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  await saveLab(instance, join(partial, "lab"));
  cpSync(folder, join(partial, "stacks"), { recursive: true });
  renameSync(partial, home);
  prune(kind);
}

/** Waits until every host of the stack takes logins, and its gateway answers. */
async function started(stack: TestStack, gateway: boolean): Promise<void> {
  const ready = gateway ? "curl -fsS -o /dev/null --max-time 5 http://127.0.0.1:18789/startupz" : "true";
  const up = `[[ -n $(ss -Hltn 'sport = :22022') && $(systemctl is-active multi-user.target) == active ]] && ${ready}`;
  for (const { name } of await ls(instance)) {
    await until(`${name} is up`, 60, async () => (await stack.tryRootOf(name, up)).exitCode === 0);
  }
}

/** Of each kind two contents are kept: today's, and the one before it. */
function prune(kind: Kind): void {
  const parent = cached("kinds", "").replace(/-$/, "");
  const all = readdirSync(parent)
    .filter((name) => name.startsWith(`${kind}-`) && !name.includes("."))
    .map((name) => ({ path: join(parent, name), used: statSync(join(parent, name)).mtimeMs }))
    .sort((a, b) => b.used - a.used);
  for (const { path } of all.slice(2)) {
    rmSync(path, { recursive: true });
  }
}

/** Does the work while no other process of this machine does it. The lock goes with its holder, however that ends. */
async function locked(path: string, work: () => Promise<void>): Promise<void> {
  mkdirSync(join(path, ".."), { recursive: true });
  const holder = spawn("flock", [path, "sh", "-c", "echo locked; exec cat >/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => {
        resolve();
      });
      holder.once("error", reject);
      holder.once("exit", (code) => {
        reject(new Error(`flock ${path}: exit code ${String(code)}`));
      });
    });
    await work();
  } finally {
    holder.stdin.end();
  }
}
