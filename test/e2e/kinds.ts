import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ensureLab, loadLab, ls, saveLab } from "../../lab/client";
import { baseFor } from "../../lab/host/image";
import { suites } from "../../lab/host/suites";
import { removeTrees } from "../../lab/run";
import { instanceOf } from "../../lab/instances";
import { tailscaleArchive } from "../../lab/tailnet/downloads";
import { oldProgram, releaseFile } from "../upgrade/oldProgram";
import { cached, fingerprint } from "../../toolchain/cache";
import { root } from "../../toolchain/paths";
import { cloud, until } from "./attacker";
import { configureExisting, rent, type RentedImage } from "./rented";
import { folder, instance, TestStack } from "./stack";
import { onTailnet } from "./tailnetStack";

/** How a kind of host comes into being. */
interface KindDefinition {
  readonly image: string;
  /** Makes its stack, whose `up` brings the host up from nothing. */
  readonly make: () => Promise<TestStack>;
  /** What goes into it, if that is not today's program. */
  readonly sources?: readonly string[];
  /** What is set after that `up`. */
  readonly settle?: (stack: TestStack) => Promise<void>;
}

const taken = (image: RentedImage): KindDefinition => ({
  image,
  make: () => rent(image),
  // The key that once opened root is gone.
  settle: (stack) => configureExisting(stack, image, { privateKey: undefined }),
});

/**
 * A kind of provisioned host. It is brought up from nothing once for each content, and kept in the cache with the stack that owns
 * it. Every test file gets it from there, as no other test has touched it: disk, stack, cloud and tailnet.
 */
const kinds = {
  /** Debian 13 without a tailnet: SSH and the gateway. */
  ssh: { image: "debian-13", make: () => TestStack.make("shared") },
  /** The same on the lab's tailnet, its dashboard open to alice. */
  tailnet: {
    image: "debian-13",
    make: () => TestStack.make("tailed", onTailnet({ users: ["alice@example.com"], overwriteAcl: true })),
  },
  /** A host on the tailnet, as the last release set it up; its stack is run by today's program from then on. */
  released: {
    image: "debian-13",
    make: async () =>
      (await TestStack.make("released", onTailnet({ users: ["alice@example.com"] }))).runBy(oldProgram()),
    sources: [releaseFile, ...["lab", "toolchain/standins", "toolchain/engine"].map((path) => join(root, path))],
  },
  /** Machines that were somebody else's before. */
  "debian-12": taken("debian-12"),
  "ubuntu-22.04": taken("ubuntu-22.04"),
  "ubuntu-24.04": taken("ubuntu-24.04"),
  "ubuntu-26.04": taken("ubuntu-26.04"),
} satisfies Readonly<Record<string, KindDefinition>>;

export type Kind = keyof typeof kinds;

/** How a kept host is started. */
export interface Start {
  /** Without the gateway, whose start takes 10 s of a processor: for tests that don't look at it. @default true */
  readonly gateway?: boolean;
}

/** What goes into a kept host: the program, the lab and the engine that make it, and how it is made here. */
const sources = [
  ...["templates", "components", "lib", "index.ts", "Pulumi.yaml", "package-lock.json", "lab"],
  ...["toolchain/standins", "toolchain/engine", "toolchain/tailnet"],
  ...["kinds.ts", "rented.ts", "plainServer.ts", "stack.ts", "tailnetStack.ts"].map((name) => `test/e2e/${name}`),
].map((path) => join(root, path));

/** Folder of the kept host in the cache, whether it is there or not. */
function kept(kind: Kind): string {
  const { image, sources: own = sources }: KindDefinition = kinds[kind];
  const base = baseFor(suites[image] ?? "").key;
  return cached(join("kinds", kind), fingerprint(own, [kind, base, tailscaleArchive(instanceOf(instance)).sha256]));
}

/** What this process's lab holds: decided by the first test that asks. */
let chosen:
  { readonly kind: Kind; readonly ready: Promise<TestStack> } | { kind: "own"; ready: Promise<void> } | undefined;

/** A host of this kind, for all tests of this file; the lab is as it was when the host was new. */
export function keptHost(kind: Kind, start: Start = {}): Promise<TestStack> {
  chosen ??= { kind, ready: ensureKept(kind).then(() => restore(kind, start)) };
  if (chosen.kind !== kind) {
    throw otherKind(chosen.kind);
  }
  return chosen.ready;
}

/** The same host as new once more, whatever has been done to it, its cloud and its stack. */
export function asNew(kind: Kind, start: Start = {}): Promise<TestStack> {
  chosen = undefined;
  return keptHost(kind, start);
}

/** An empty lab, for a file that makes its hosts from nothing. */
export function emptyLab(): Promise<void> {
  chosen ??= { kind: "own", ready: clear() };
  if (chosen.kind !== "own") {
    throw otherKind(chosen.kind);
  }
  return chosen.ready;
}

const otherKind = (kind: string): Error => new Error(`this file's lab is of kind ${kind} already: one file, one kind`);

/** A stack without resources yet in an empty lab, for a file that makes its hosts from nothing. */
export async function ownStack(name: string, config: Readonly<Record<string, unknown>> = {}): Promise<TestStack> {
  await emptyLab();
  return TestStack.make(name, config);
}

/** A stack of this kind without resources yet in an empty lab; its `up` is followed by {@link becameKind}. */
export async function newOfKind(kind: Kind): Promise<TestStack> {
  await emptyLab();
  return kinds[kind].make();
}

/**
 * Tells that what {@link newOfKind} gave is up: now the file's lab is of that kind, for the tests that follow. It is kept if none
 * like it is kept yet.
 */
export async function becameKind(kind: Kind, stack: TestStack): Promise<void> {
  const settled = settle(kind, stack);
  chosen = { kind, ready: settled };
  await settled;
}

async function settle(kind: Kind, stack: TestStack): Promise<TestStack> {
  const { settle: after }: KindDefinition = kinds[kind];
  await after?.(stack);
  const home = kept(kind);
  const isNew = await once(home, () => keep(stack, home));
  return isNew ? restore(kind, {}) : stack;
}

async function ensureKept(kind: Kind): Promise<void> {
  await ensureLab({ instance, progress: () => undefined });
  const home = kept(kind);
  await once(home, async () => {
    await clear();
    const { make, settle: after }: KindDefinition = kinds[kind];
    const stack = await make();
    await stack.up();
    await after?.(stack);
    await keep(stack, home);
  });
  utimesSync(home, new Date(), new Date());
}

async function clear(): Promise<void> {
  await ensureLab({ instance, progress: () => undefined });
  await loadLab(instance);
  rmSync(folder, { recursive: true, force: true });
}

async function restore(kind: Kind, { gateway = true }: Start): Promise<TestStack> {
  const home = kept(kind);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(home, "stacks"), folder, { recursive: true });
  await loadLab(instance, join(home, "lab"), gateway ? [] : ["systemd.mask=openclaw.service"]);
  const stack = TestStack.open(readFileSync(join(home, "stack"), "utf8"));
  await started(stack, gateway);
  for (const { name } of await ls(instance)) {
    await rootOf(stack, name, `rm ${withoutCloudInit}`);
  }
  return stack;
}

/** Runs a script as root on the host with this name in the lab; fails if it fails. */
async function rootOf(stack: TestStack, name: string, script: string): Promise<void> {
  const { exitCode, stderr } = await stack.tryRootOf(name, script);
  if (exitCode !== 0) {
    throw new Error(`on ${name}: ${script}: ${stderr}`);
  }
}

/**
 * While it is there, cloud-init doesn't run, which takes two seconds of a processor at each boot. It lies on a kept disk for the first
 * boot from there only: later ones are as on any server.
 */
const withoutCloudInit = "/etc/cloud/cloud-init.disabled";

/** Shuts the hosts down as an operator does, and moves all of the lab into the cache. */
async function keep(stack: TestStack, home: string): Promise<void> {
  await started(stack, true);
  for (const { id, name } of await ls(instance)) {
    await rootOf(stack, name, `touch ${withoutCloudInit}`);
    await cloud("POST", `servers/${String(id)}/actions/shutdown`);
  }
  await until("the hosts are off", 60, async () => (await ls(instance)).every(({ status }) => status === "off"));
  const partial = `${home}.partial-${String(process.pid)}`;
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  await saveLab(instance, join(partial, "lab"));
  cpSync(folder, join(partial, "stacks"), { recursive: true });
  writeFileSync(join(partial, "stack"), stack.name);
  renameSync(partial, home);
  prune(home);
}

/** Waits until every host of the lab takes logins, and its gateway answers. */
async function started(stack: TestStack, gateway: boolean): Promise<void> {
  const ready = gateway ? "curl -fsS -o /dev/null --max-time 5 http://127.0.0.1:18789/startupz" : "true";
  const up = `[[ -n $(ss -Hltn 'sport = :22022') && $(systemctl is-active multi-user.target) == active ]] && ${ready}`;
  for (const { name } of await ls(instance)) {
    await until(`${name} is up`, 60, async () => (await stack.tryRootOf(name, up)).exitCode === 0);
  }
}

/** Of each kind two contents are kept: the one just made, and the one used last before it. What goes gets another name first. */
function prune(home: string): void {
  const parent = dirname(home);
  const kind = basename(home).replace(/-[^-]*$/, "");
  const own = readdirSync(parent).filter((name) => name.startsWith(`${kind}-`));
  const whole = own
    .filter((name) => !name.includes(".", kind.length))
    .map((name) => ({ path: join(parent, name), used: statSync(join(parent, name)).mtimeMs }))
    .sort((a, b) => b.used - a.used);
  for (const { path } of whole.slice(2)) {
    renameSync(path, `${path}.gone-${String(process.pid)}`);
  }
  // Those too that a process left which was ended meanwhile. By a program of its own, for there are 100 000 files.
  const gone = readdirSync(parent).filter((name) => {
    const pid = /\.(?:gone|partial)-(\d+)$/.exec(name)?.[1];
    return (
      name.startsWith(`${kind}-`) && pid !== undefined && (pid === String(process.pid) || !existsSync(`/proc/${pid}`))
    );
  });
  removeTrees(gone.map((name) => join(parent, name))).catch((error: unknown) => {
    console.error(`old kept hosts aren't removed: ${String(error)}`);
  });
}

/** Fills a place that is empty; of all processes of this machine one does. True if it was this one. */
async function once(home: string, fill: () => Promise<void>): Promise<boolean> {
  if (existsSync(home)) {
    return false;
  }
  mkdirSync(dirname(home), { recursive: true });
  // The lock goes with its holder, however that ends.
  const holder = spawn("flock", [`${home}.lock`, "sh", "-c", "echo locked; exec cat >/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => {
        resolve();
      });
      holder.once("error", reject);
      holder.once("exit", (code) => {
        reject(new Error(`flock ${home}.lock: exit code ${String(code)}`));
      });
    });
    if (existsSync(home)) {
      return false;
    }
    await fill();
    return true;
  } finally {
    holder.stdin.end();
  }
}
