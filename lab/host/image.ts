import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheDir } from "../instances";
import { CommandError, removeTrees, run, tryRun } from "../run";
import { packagesOf, type Vendor, vendorOf } from "./suites";

/** Folder on this machine whose CA certificates the hosts trust too. */
const caDir = "/usr/local/share/ca-certificates";
const script = join(__dirname, "build-base.sh");
const keptDays = 30;

/** A shared root file system. */
export interface Base {
  /** Folder name in the cache, with the hash of what went in. */
  readonly key: string;
  /** Root file system that hosts use as the lower layer; never written to. */
  readonly rootfs: string;
}

function basesDir(): string {
  return join(cacheDir(), "lab");
}

function certificates(): string[] {
  if (!existsSync(caDir)) {
    return [];
  }
  const names = readdirSync(caDir, { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".crt")).sort();
}

/** The base that the present inputs lead to, built or not. A new month counts as an input: package lists grow stale. */
export function baseFor(suite: string, now = new Date()): Base {
  const hash = createHash("sha256");
  const add = (value: string | Buffer): void => {
    hash.update(`${String(value.length)}\n`).update(value);
  };
  [suite, now.toISOString().slice(0, 7), packagesOf(suite).join(" "), readFileSync(script)].forEach(add);
  for (const name of certificates()) {
    add(name);
    add(readFileSync(join(caDir, name)));
  }
  const key = `base-${suite}-${hash.digest("hex").slice(0, 16)}`;
  return { key, rootfs: join(basesDir(), key, "rootfs") };
}

/** The base for new hosts: the present one, else the newest that is there (a month began while the lab was up). */
export function usableBase(suite: string): Base | undefined {
  const present = baseFor(suite);
  if (existsSync(present.rootfs)) {
    return present;
  }
  return builtBases()
    .filter((base) => base.key.startsWith(`base-${suite}-`))
    .at(-1);
}

/** The suite that a base was made from. */
export function suiteOf(base: Base): string {
  return base.key.split("-")[1] ?? "";
}

/** A base by its folder name, as a host remembers it. */
export function baseOf(key: string): Base {
  return { key, rootfs: join(basesDir(), key, "rootfs") };
}

/** Notes that a base is in use, so that it isn't cleaned away. */
export function touchBase(base: Base): void {
  utimesSync(dirname(base.rootfs), new Date(), new Date());
}

function builtBases(): Base[] {
  if (!existsSync(basesDir())) {
    return [];
  }
  const age = (base: Base): number => statSync(dirname(base.rootfs)).mtimeMs;
  return readdirSync(basesDir())
    .map(baseOf)
    .filter((base) => existsSync(base.rootfs))
    .sort((a, b) => age(a) - age(b));
}

/** Prints where a long step is. */
export type Progress = (line: string) => void;

/** Builds the base of a suite if it isn't there. */
export async function ensureBase(suite: string, progress: Progress): Promise<Base> {
  const base = baseFor(suite);
  if (!existsSync(base.rootfs)) {
    await build(suite, base, progress);
    await pruneBases(base);
  }
  return base;
}

async function build(suite: string, base: Base, progress: Progress): Promise<void> {
  mkdirSync(basesDir(), { recursive: true, mode: 0o755 });
  const target = dirname(base.rootfs);
  const watch = new BuildWatch(suite, progress);
  const vendor = vendorOf(suite);
  const mirrors = await mirrorsFor(vendor);
  const timer = setInterval(() => {
    watch.tick();
  }, 5_000);
  const argv = [
    "flock",
    join(basesDir(), ".lock"),
    script,
    ...[
      vendor,
      suite,
      target,
      `${target}.building`,
      packagesOf(suite).join(","),
      caDir,
      mirrors.main,
      mirrors.security,
    ],
    ...(await aptOptions()),
  ];
  try {
    const result = await tryRun(argv, {
      onLine: (line) => {
        watch.line(line);
      },
    });
    if (result.exitCode !== 0) {
      const tail = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-15).join("\n");
      throw new CommandError([script, suite], { ...result, stderr: tail });
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`lab: building the ${suite} base failed. Check the network and 'apt-get update'.\n${reason}`);
  } finally {
    clearInterval(timer);
  }
  watch.done();
}

/** Turns the build's output into lines for the person who waits: step, packages of how many, seconds. */
class BuildWatch {
  private readonly started = Date.now();
  private total = 0;
  private configured = 0;
  private step = "waiting for package lists";
  private shown = "";

  constructor(
    private readonly suite: string,
    private readonly progress: Progress,
  ) {}

  line(line: string): void {
    const total = /^\d+ upgraded, (\d+) newly installed/.exec(line)?.[1];
    if (total !== undefined) {
      this.total += Number(total);
      this.step = "downloading packages";
      this.tick();
    } else if (/^Setting up /.test(line)) {
      this.configured += 1;
      this.step = "installing packages";
      if (this.configured % 40 === 0) {
        this.tick();
      }
    } else if (line.includes("running --customize-hook")) {
      this.step = "settings";
      this.tick();
    }
  }

  tick(): void {
    const count = this.configured > 0 ? ` ${String(this.configured)} of ${String(this.total)}` : "";
    const text = `${this.step}${count}`;
    const seconds = `${((Date.now() - this.started) / 1000).toFixed(0)} s`;
    if (`${text} ${seconds}` !== this.shown) {
      this.shown = `${text} ${seconds}`;
      this.progress(`lab: base image ${this.suite}: ${text} (${seconds}, usually 80 s)`);
    }
  }

  done(): void {
    this.progress(`lab: base image ${this.suite}: ready after ${((Date.now() - this.started) / 1000).toFixed(0)} s`);
  }
}

/**
 * The archives as this machine's apt reaches them; empty where it has none, then mmdebstrap's default counts. For Ubuntu's a
 * Debian machine has Debian's, and the script looks beside them.
 */
async function mirrorsFor(vendor: Vendor): Promise<{ main: string; security: string }> {
  const result = await tryRun(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"]);
  const sources = result.stdout.split("\n").map((line) => line.split(" "));
  const find = (pattern: RegExp, release: (name: string) => boolean): string =>
    sources.find(
      ([uri = "", suite = "", component]) => component === "main" && pattern.test(uri) && release(suite),
    )?.[0] ?? "";
  const ubuntu = vendor === "ubuntu" ? find(/\/ubuntu\/?$/, (suite) => !suite.includes("-")) : "";
  if (ubuntu !== "") {
    return { main: ubuntu, security: ubuntu };
  }
  const main = find(/\/debian\/?$/, (suite) => !suite.includes("-"));
  const security = find(/\/debian-security\/?$/, (suite) => suite.endsWith("-security"));
  return main === "" || security === "" ? { main: "", security: "" } : { main, security };
}

/** Settings of this machine's apt that it needs to reach the archive, for the build and for the hosts. */
async function aptOptions(): Promise<string[]> {
  // Hosts need no descriptions of packages in other languages, and update faster without.
  const own = ['Acquire::Languages "none"'];
  const dump = await run(["apt-config", "dump", "--format", "%F %v%n"]);
  const machine = dump.split("\n").flatMap((line) => {
    const [, name, value] = /^(Acquire::(?:https?::Proxy|Check-Valid-Until|Check-Date)) (.+)$/.exec(line) ?? [];
    return name === undefined || value === undefined || /localhost|127\.0\.0\.1/.test(value)
      ? []
      : [`${name} "${value}"`];
  });
  return [...own, ...machine];
}

/** Removes bases that no host has been started from for a month. */
async function pruneBases(keep: Base): Promise<void> {
  const oldest = Date.now() - keptDays * 24 * 3600 * 1000;
  for (const base of builtBases()) {
    if (base.key !== keep.key && statSync(dirname(base.rootfs)).mtimeMs < oldest) {
      await removeTrees([dirname(base.rootfs)]);
    }
  }
}
