import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fixedSettings } from "./openclawSettings";
import { checkPublicKey } from "./publicKey";

/** A host's settings, complete and checked. */
export interface HostSettings {
  /** The one account that may log in. */
  readonly primaryUser: string;
  /** TCP port of sshd. */
  readonly sshPort: number;
  /** The port before a change of `sshPort`; sshd listens on both as long as it is set. */
  readonly previousSshPort: number | undefined;
  /** Public key lines that may log in as the primary user. */
  readonly authorizedKeys: readonly string[];
  /** The server to rent. */
  readonly server: ServerSettings;
  /** Limits of the gateway's service (document: Resource Limits). */
  readonly limits: LimitSettings;
  /** The gateway's own settings. */
  readonly openclaw: OpenclawSettings;
}

/** The gateway's software and settings. */
export interface OpenclawSettings {
  /** Merged into openclaw.json, under the keys that the program manages. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** npm registry to install from; `undefined`: the one that this machine's npm uses. */
  readonly registry: string | undefined;
}

/** What to rent at Hetzner Cloud, by Hetzner's names. */
export interface ServerSettings {
  readonly type: string;
  readonly image: string;
  readonly location: string;
  /** Hetzner's daily backups. */
  readonly backups: boolean;
}

/** Limits of the gateway's service, as systemd writes them (systemd.resource-control(5)). */
export interface LimitSettings {
  /** `MemoryMax=`: a number with M or G. */
  readonly memoryMax: string;
  /** `TasksMax=`. */
  readonly tasksMax: number;
}

/** The whole configuration of a stack. */
export interface Settings {
  /** The number that outranks every envelope sent under a lower one. */
  readonly generation: number;
  /** The hosts by name, in the order of the configuration. */
  readonly hosts: ReadonlyMap<string, HostSettings>;
}

/** One mistake in the configuration. */
export interface Mistake {
  /** Where: `sshPort`, `server.type`, `hosts.home.limits.memoryMax` … */
  readonly key: string;
  /** What stands there now. */
  readonly value: unknown;
  /** What is wrong with it. */
  readonly reason: string;
  /** A command that mends it. */
  readonly fix: string;
}

/** All mistakes of a configuration at once. */
export class ConfigError extends Error {
  constructor(readonly mistakes: readonly Mistake[]) {
    const count = mistakes.length === 1 ? "1 mistake" : `${String(mistakes.length)} mistakes`;
    const lines = mistakes.map(({ key, value, reason, fix }) => {
      const now = value === undefined ? "is not set" : `= ${JSON.stringify(value)}`;
      return `  monoclaw:${key} ${now}: ${reason}\n      ${fix}`;
    });
    super([`${count} in the configuration; nothing was changed.`, ...lines].join("\n"));
    this.name = "ConfigError";
  }
}

const hostKeys = [
  "primaryUser",
  "sshPort",
  "previousSshPort",
  "authorizedKeys",
  "server",
  "limits",
  "openclaw",
] as const;
const stackKeys = ["generation", "hosts", ...hostKeys] as const;
const serverKeys = ["type", "image", "location", "backups"] as const;
const limitKeys = ["memoryMax", "tasksMax"] as const;
const openclawKeys = ["settings", "registry"] as const;

/** Ports that something else on the host uses, or that scanners try first. */
const takenPorts = new Map([
  [22, "is where scanners look first (document: Custom Port)"],
  [80, "is HTTP's, which stays closed"],
  [443, "is the dashboard's"],
  [18789, "is the gateway's"],
]);
/** Accounts and groups of Debian and Ubuntu; `admin` and `sudo` lead to root there (sudoers(5)). */
const reservedNames = new Set(
  (
    "root admin sudo wheel adm operator openclaw daemon bin sys sync games man lp mail news uucp proxy www-data backup " +
    "list irc nobody sshd messagebus staff users shadow disk utmp video audio plugdev lxd docker debian ubuntu"
  ).split(" "),
);

/**
 * Checks a stack's configuration and fills in the defaults.
 *
 * @param raw - the values under `monoclaw:`, parsed, by key
 * @param root - folder that relative paths of public key files start from
 * @throws ConfigError with every mistake at once
 */
export function parseConfig(raw: Readonly<Record<string, unknown>>, root: string): Settings {
  const reader = new Reader(root);
  reader.onlyKeys("", raw, stackKeys);
  const generation = reader.integer("generation", raw["generation"], 1, { min: 1, max: 999_999_999 });
  const hosts = new Map<string, HostSettings>();
  const declared = raw["hosts"] === undefined ? { gateway: {} } : reader.record("hosts", raw["hosts"]);
  if (Object.keys(declared).length === 0 && !Array.isArray(raw["hosts"])) {
    reader.wrong(
      "hosts",
      raw["hosts"],
      "must map at least one host's name to its settings",
      "pulumi config rm monoclaw:hosts",
    );
  }
  const shared = pick(raw, hostKeys);
  for (const [name, value] of Object.entries(declared)) {
    const prefix = raw["hosts"] === undefined ? "" : `hosts.${name}.`;
    if (!/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
      reader.wrong(`hosts.${name}`, name, "a host's name is 1 to 32 of a-z, 0-9 and - , as in a DNS name", hostsFix);
    }
    const own = reader.record(`hosts.${name}`, value);
    reader.onlyKeys(prefix, own, hostKeys);
    hosts.set(name, reader.host(prefix, shared, own));
  }
  reader.finish();
  return { generation, hosts };
}

const hostsFix = "pulumi config set --path 'monoclaw:hosts.gateway.primaryUser' ops";

/** Reads values and collects the mistakes. A wrong value is replaced by the default so that reading can go on. */
class Reader {
  private readonly mistakes: Mistake[] = [];

  constructor(private readonly root: string) {}

  wrong(key: string, value: unknown, reason: string, fix: string): void {
    // A value that several hosts share is one mistake, not one a host.
    if (!this.mistakes.some((mistake) => mistake.key === key && mistake.reason === reason)) {
      this.mistakes.push({ key, value, reason, fix });
    }
  }

  finish(): void {
    if (this.mistakes.length > 0) {
      throw new ConfigError(this.mistakes);
    }
  }

  onlyKeys(prefix: string, value: Readonly<Record<string, unknown>>, known: readonly string[]): void {
    for (const key of Object.keys(value).filter((candidate) => !known.includes(candidate))) {
      const reason = `there is no such key; known are ${known.join(", ")}`;
      this.wrong(`${prefix}${key}`, value[key], reason, `pulumi config rm --path ${pathOf(`${prefix}${key}`)}`);
    }
  }

  /** A map of keys to values; anything else but nothing at all is a mistake. */
  record(key: string, value: unknown): Readonly<Record<string, unknown>> {
    if (value === undefined || value === null) {
      return {};
    }
    if (typeof value !== "object" || Array.isArray(value)) {
      this.wrong(key, value, "must be a map of keys to values", `pulumi config rm --path ${pathOf(key)}`);
      return {};
    }
    return value as Readonly<Record<string, unknown>>;
  }

  integer(key: string, value: unknown, fallback: number, range: { min: number; max: number }): number {
    if (value === undefined) {
      return fallback;
    }
    if (typeof value !== "number" || !Number.isInteger(value) || value < range.min || value > range.max) {
      const reason = `must be an integer from ${String(range.min)} to ${String(range.max)}`;
      this.wrong(key, value, reason, setFix(key, String(fallback)));
      return fallback;
    }
    return value;
  }

  text(key: string, value: unknown, fallback: string, pattern: RegExp, what: string): string {
    if (value === undefined) {
      return fallback;
    }
    if (typeof value !== "string" || !pattern.test(value)) {
      this.wrong(key, value, `must be ${what}`, setFix(key, fallback));
      return fallback;
    }
    return value;
  }

  boolean(key: string, value: unknown, fallback: boolean): boolean {
    if (value !== undefined && typeof value !== "boolean") {
      this.wrong(key, value, "must be true or false", setFix(key, String(fallback)));
      return fallback;
    }
    return value ?? fallback;
  }

  /** One host: its own keys first, then the stack's, then the defaults. */
  host(
    prefix: string,
    shared: Readonly<Record<string, unknown>>,
    own: Readonly<Record<string, unknown>>,
  ): HostSettings {
    const at = (key: string) => (key in own ? `${prefix}${key}` : key);
    const of = (key: string) => own[key] ?? shared[key];
    const group = (key: string, known: readonly string[]) => {
      const ownGroup = this.record(`${prefix}${key}`, own[key]);
      const sharedGroup = this.record(key, shared[key]);
      this.onlyKeys(`${prefix}${key}.`, ownGroup, known);
      this.onlyKeys(`${key}.`, sharedGroup, known);
      return {
        at: (name: string) => (name in ownGroup ? `${prefix}${key}.${name}` : `${key}.${name}`),
        of: (name: string) => ownGroup[name] ?? sharedGroup[name],
      };
    };
    const server = group("server", serverKeys);
    const limits = group("limits", limitKeys);
    const openclaw = group("openclaw", openclawKeys);
    const sshPort = this.port(at("sshPort"), of("sshPort")) ?? 22022;
    const previousSshPort = this.port(at("previousSshPort"), of("previousSshPort"), [22]);
    if (previousSshPort === sshPort) {
      const reason = "is the same as sshPort; it is only for the time of a change";
      this.wrong(at("previousSshPort"), previousSshPort, reason, `pulumi config rm monoclaw:${at("previousSshPort")}`);
    }
    return {
      primaryUser: this.primaryUser(at("primaryUser"), of("primaryUser")),
      sshPort,
      previousSshPort,
      authorizedKeys: this.authorizedKeys(at("authorizedKeys"), of("authorizedKeys")),
      server: {
        type: this.text(
          server.at("type"),
          server.of("type"),
          "cx23",
          /^[a-z]{2,5}\d{2}$/,
          "a server type such as cx23",
        ),
        image: this.text(server.at("image"), server.of("image"), "debian-13", /^debian-13$/, "debian-13"),
        location: this.text(
          server.at("location"),
          server.of("location"),
          "nbg1",
          /^[a-z]{3}\d?$/,
          "a location such as nbg1",
        ),
        backups: this.boolean(server.at("backups"), server.of("backups"), false),
      },
      limits: {
        memoryMax: this.memory(limits.at("memoryMax"), limits.of("memoryMax")),
        tasksMax: this.integer(limits.at("tasksMax"), limits.of("tasksMax"), 100, { min: 50, max: 4096 }),
      },
      openclaw: {
        settings: this.openclawSettings(openclaw.at("settings"), openclaw.of("settings")),
        registry: this.registry(openclaw.at("registry"), openclaw.of("registry")),
      },
    };
  }

  private port(key: string, value: unknown, allowed: readonly number[] = []): number | undefined {
    if (value === undefined) {
      return undefined;
    }
    const port = this.integer(key, value, 22022, { min: 1, max: 65535 });
    const taken = takenPorts.get(port);
    if (taken !== undefined && !allowed.includes(port)) {
      this.wrong(key, value, taken, setFix(key, "22022"));
    }
    return port;
  }

  private primaryUser(key: string, value: unknown): string {
    const what = "a user name: 1 to 32 of a-z, 0-9, - and _, starting with a letter";
    const user = this.text(key, value, "ops", /^[a-z][a-z0-9_-]{0,31}$/, what);
    if (reservedNames.has(user)) {
      this.wrong(key, value, "is an account or a group that means something else on the host", setFix(key, "ops"));
    }
    return user;
  }

  private authorizedKeys(key: string, value: unknown): string[] {
    const fix = `pulumi config set --path ${pathOf(`${key}[0]`)} "$(cat ~/.ssh/id_ed25519.pub)"`;
    if (!Array.isArray(value) || value.length === 0) {
      this.wrong(key, value, "must list at least one SSH public key: without one nobody could log in", fix);
      return [];
    }
    return value.flatMap((entry: unknown, index) => {
      const place = `${key}[${String(index)}]`;
      const fixEntry = `pulumi config set --path ${pathOf(place)} "$(cat ~/.ssh/id_ed25519.pub)"`;
      if (typeof entry !== "string") {
        this.wrong(place, entry, "must be a public key line, or the path of a .pub file", fixEntry);
        return [];
      }
      let line = entry.trim();
      if (line.endsWith(".pub") && !line.startsWith("ssh-")) {
        const file = path.resolve(this.root, line.replace(/^~(?=\/)/, os.homedir()));
        if (!fs.existsSync(file)) {
          this.wrong(place, entry, "there is no such file", `ssh-keygen -t ed25519 -f ${line.slice(0, -4)}`);
          return [];
        }
        line = fs.readFileSync(file, "utf8").trim();
      }
      const reason = checkPublicKey(line);
      if (reason !== undefined) {
        this.wrong(place, entry, reason, fixEntry);
        return [];
      }
      return [line];
    });
  }

  private memory(key: string, value: unknown): string {
    const text = this.text(key, value, "2G", /^[1-9]\d{0,5}[MG]$/, "a size such as 2G or 1536M");
    const mebibytes = Number(text.slice(0, -1)) * (text.endsWith("G") ? 1024 : 1);
    if (mebibytes < 1024) {
      this.wrong(
        key,
        value,
        "is too little: the gateway alone takes about 740 MiB, give it 1G or more",
        setFix(key, "2G"),
      );
    }
    return text;
  }

  private openclawSettings(key: string, value: unknown): Readonly<Record<string, unknown>> {
    const settings = this.record(key, value);
    for (const managed of fixedSettings) {
      const found = managed.split(".").reduce<unknown>((node, part) => {
        return typeof node === "object" && node !== null ? (node as Record<string, unknown>)[part] : undefined;
      }, settings);
      if (found !== undefined) {
        const reason = "is set by the program and can't be overridden";
        this.wrong(`${key}.${managed}`, "…", reason, `pulumi config rm --path ${pathOf(`${key}.${managed}`)}`);
      }
    }
    return settings;
  }

  private registry(key: string, value: unknown): string | undefined {
    if (value === undefined) {
      return undefined;
    }
    if (typeof value !== "string" || !URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) {
      this.wrong(key, value, "must be the URL of an npm registry", `pulumi config rm --path ${pathOf(key)}`);
      return undefined;
    }
    return value;
  }
}

function pick(value: Readonly<Record<string, unknown>>, keys: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
}

function pathOf(key: string): string {
  return `'monoclaw:${key}'`;
}

function setFix(key: string, value: string): string {
  return key.includes(".")
    ? `pulumi config set --path ${pathOf(key)} ${value}`
    : `pulumi config set monoclaw:${key} ${value}`;
}
