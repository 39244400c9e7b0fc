import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { type ConfigReader, pathOf, setFix } from "./configReader";
import { readExisting, existingKeys } from "./existingReader";
import { fixedSettings } from "./openclawSettings";
import { checkPublicKey } from "./publicKey";
import type { HostSettings, MachineSettings } from "./settings";
import { readTailnet, tailnetKeys } from "./tailnetReader";

/** The keys that a host can set for itself. */
export const hostKeys = [
  "target",
  "primaryUser",
  "sshPort",
  "previousSshPort",
  "authorizedKeys",
  "server",
  "existing",
  "limits",
  "fail2ban",
  "updates",
  "kernel",
  "openclaw",
  "tailnet",
] as const;
const groupKeys = {
  server: ["type", "image", "location", "backups"],
  existing: existingKeys,
  limits: ["memoryMax", "tasksMax"],
  fail2ban: ["maxretry", "findtime", "bantime", "ignoreip"],
  updates: ["reboot", "rebootTime"],
  openclaw: ["settings", "registry"],
  tailnet: tailnetKeys,
} as const;

/** Ports that something else on the host uses, or that scanners try first. */
const takenPorts = new Map([
  [22, "is where scanners look first (docs/requirements.md, SSH: port)"],
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

/** A map of keys to values, as the configuration has it. */
export type RawMap = Readonly<Record<string, unknown>>;

/** A group of keys of one host: the host's own values come before the stack's. */
export interface Group {
  /** The full name of a key, where its value stands. */
  at(name: string): string;
  /** Its value. */
  of(name: string): unknown;
}

/** Where the settings of one host stand: its own keys come first, then the stack's, then the defaults. */
export interface HostSource {
  /** What stands before its own keys' names. */
  readonly prefix: string;
  readonly shared: RawMap;
  readonly own: RawMap;
  /** What is wrong with the credentials for Tailscale's API, if anything. */
  readonly tailscale: string | undefined;
}

/** Reads one host. */
export function readHost(reader: ConfigReader, { prefix, shared, own, tailscale }: HostSource): HostSettings {
  const at = (key: string) => (key in own ? `${prefix}${key}` : key);
  const of = (key: string) => own[key] ?? shared[key];
  const group = (key: keyof typeof groupKeys): Group => {
    const ownGroup = reader.record(`${prefix}${key}`, own[key]);
    const sharedGroup = reader.record(key, shared[key]);
    reader.onlyKeys(`${prefix}${key}.`, ownGroup, groupKeys[key]);
    reader.onlyKeys(`${key}.`, sharedGroup, groupKeys[key]);
    return {
      // What no one has set is best set for this host, unless the stack has the group already.
      at: (name) =>
        name in ownGroup || (!(name in sharedGroup) && key in own) ? `${prefix}${key}.${name}` : `${key}.${name}`,
      of: (name) => ownGroup[name] ?? sharedGroup[name],
    };
  };
  const limits = group("limits");
  const fail2ban = group("fail2ban");
  const updates = group("updates");
  const openclaw = group("openclaw");
  const sshPort = port(reader, at("sshPort"), of("sshPort")) ?? 22022;
  const previousSshPort = port(reader, at("previousSshPort"), of("previousSshPort"), [22]);
  if (previousSshPort === sshPort) {
    const reason = "is the same as sshPort; it is only for the time of a change";
    reader.wrong(at("previousSshPort"), previousSshPort, reason, `pulumi config rm monoclaw:${at("previousSshPort")}`);
  }
  const user = primaryUser(reader, at("primaryUser"), of("primaryUser"));
  return {
    primaryUser: user,
    sshPort,
    previousSshPort,
    authorizedKeys: authorizedKeys(reader, at("authorizedKeys"), of("authorizedKeys")),
    machine: readMachine(reader, { at, of, group, own, prefix, primaryUser: user }),
    limits: {
      memoryMax: memory(reader, limits.at("memoryMax"), limits.of("memoryMax")),
      tasksMax: reader.integer(limits.at("tasksMax"), limits.of("tasksMax"), 100, { min: 50, max: 4096 }),
    },
    fail2ban: {
      maxretry: reader.integer(fail2ban.at("maxretry"), fail2ban.of("maxretry"), 5, { min: 1, max: 20 }),
      findtime: reader.integer(fail2ban.at("findtime"), fail2ban.of("findtime"), 600, { min: 60, max: 86_400 }),
      bantime: reader.integer(fail2ban.at("bantime"), fail2ban.of("bantime"), 3600, { min: 60, max: 31_536_000 }),
      ignoreip: reader.networks(fail2ban.at("ignoreip"), fail2ban.of("ignoreip")),
    },
    kernel: reader.choice(at("kernel"), of("kernel"), ["hardened", "leave"]),
    updates: {
      reboot: reader.choice(updates.at("reboot"), updates.of("reboot"), ["none", "automatic"]),
      rebootTime: reader.text(
        updates.at("rebootTime"),
        updates.of("rebootTime"),
        "04:30",
        /^([01]\d|2[0-3]):[0-5]\d$/,
        "a time such as 04:30",
      ),
    },
    openclaw: {
      settings: openclawSettings(reader, openclaw.at("settings"), openclaw.of("settings")),
      registry: registry(reader, openclaw.at("registry"), openclaw.of("registry")),
    },
    tailnet: readTailnet(reader, group("tailnet"), tailscale),
  };
}

interface Place {
  readonly at: (key: string) => string;
  readonly of: (key: string) => unknown;
  readonly group: (key: "server" | "existing") => Group;
  readonly own: RawMap;
  readonly prefix: string;
  readonly primaryUser: string;
}

function readMachine(reader: ConfigReader, { at, of, group, own, prefix, primaryUser }: Place): MachineSettings {
  const target = reader.choice(at("target"), of("target"), ["hcloud", "existing"]);
  const foreign = target === "hcloud" ? "existing" : "server";
  if (own[foreign] !== undefined) {
    const reason = `is for hosts with target ${foreign === "server" ? "hcloud" : "existing"}; this one's is ${target}`;
    reader.wrong(`${prefix}${foreign}`, "…", reason, `pulumi config rm --path ${pathOf(`${prefix}${foreign}`)}`);
  }
  // Both, so that a misspelt key is found in either.
  const [server, existing] = [group("server"), group("existing")];
  switch (target) {
    case "existing":
      return { target, existing: readExisting(reader, existing, primaryUser) };
    case "hcloud":
      return {
        target,
        server: {
          type: reader.text(
            server.at("type"),
            server.of("type"),
            "cx23",
            /^[a-z]{2,5}\d{2}$/,
            "a server type such as cx23",
          ),
          image: reader.choice(server.at("image"), server.of("image"), ["debian-13", "debian-12"]),
          location: reader.text(
            server.at("location"),
            server.of("location"),
            "nbg1",
            /^[a-z]{3}\d?$/,
            "a location such as nbg1",
          ),
          backups: reader.boolean(server.at("backups"), server.of("backups"), false),
        },
      };
  }
}

function port(reader: ConfigReader, key: string, value: unknown, allowed: readonly number[] = []): number | undefined {
  if (value === undefined) {
    return undefined;
  }
  const found = reader.integer(key, value, 22022, { min: 1, max: 65535 });
  const taken = takenPorts.get(found);
  if (taken !== undefined && !allowed.includes(found)) {
    reader.wrong(key, value, taken, setFix(key, "22022"));
  }
  return found;
}

function primaryUser(reader: ConfigReader, key: string, value: unknown): string {
  const what = "a user name: 1 to 32 of a-z, 0-9, - and _, starting with a letter";
  const user = reader.text(key, value, "ops", /^[a-z][a-z0-9_-]{0,31}$/, what);
  if (reservedNames.has(user)) {
    reader.wrong(key, value, "is an account or a group that means something else on the host", setFix(key, "ops"));
  }
  return user;
}

function authorizedKeys(reader: ConfigReader, key: string, value: unknown): string[] {
  const fix = `pulumi config set --path ${pathOf(`${key}[0]`)} "$(cat ~/.ssh/id_ed25519.pub)"`;
  if (!Array.isArray(value) || value.length === 0) {
    reader.wrong(key, value, "must list at least one SSH public key: without one nobody could log in", fix);
    return [];
  }
  return value.flatMap((entry: unknown, index) => {
    const place = `${key}[${String(index)}]`;
    const fixEntry = `pulumi config set --path ${pathOf(place)} "$(cat ~/.ssh/id_ed25519.pub)"`;
    if (typeof entry !== "string") {
      reader.wrong(place, entry, "must be a public key line, or the path of a .pub file", fixEntry);
      return [];
    }
    let line = entry.trim();
    if (line.endsWith(".pub") && !line.startsWith("ssh-")) {
      const file = path.resolve(reader.root, line.replace(/^~(?=\/)/, os.homedir()));
      if (!fs.existsSync(file)) {
        reader.wrong(place, entry, "there is no such file", `ssh-keygen -t ed25519 -f ${line.slice(0, -4)}`);
        return [];
      }
      line = fs.readFileSync(file, "utf8").trim();
    }
    const reason = checkPublicKey(line);
    if (reason !== undefined) {
      reader.wrong(place, entry, reason, fixEntry);
      return [];
    }
    return [line];
  });
}

function memory(reader: ConfigReader, key: string, value: unknown): string {
  const text = reader.text(key, value, "2G", /^[1-9]\d{0,5}[MG]$/, "a size such as 2G or 1536M");
  const mebibytes = Number(text.slice(0, -1)) * (text.endsWith("G") ? 1024 : 1);
  if (mebibytes < 1024) {
    const reason = "is too little: the gateway alone takes about 740 MiB, give it 1G or more";
    reader.wrong(key, value, reason, setFix(key, "2G"));
  }
  return text;
}

function openclawSettings(reader: ConfigReader, key: string, value: unknown): RawMap {
  const settings = reader.record(key, value);
  for (const managed of fixedSettings) {
    const found = managed.split(".").reduce<unknown>((node, part) => {
      return typeof node === "object" && node !== null ? (node as Record<string, unknown>)[part] : undefined;
    }, settings);
    if (found !== undefined) {
      const reason = "is set by the program and can't be overridden";
      reader.wrong(`${key}.${managed}`, "…", reason, `pulumi config rm --path ${pathOf(`${key}.${managed}`)}`);
    }
  }
  return settings;
}

function registry(reader: ConfigReader, key: string, value: unknown): string | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (typeof value !== "string" || !URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) {
    reader.wrong(key, value, "must be the URL of an npm registry", `pulumi config rm --path ${pathOf(key)}`);
    return undefined;
  }
  return value;
}
