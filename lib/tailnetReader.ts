import * as fs from "node:fs";
import { isIP } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { type ConfigReader, pathOf, setFix } from "./configReader";
import type { Group } from "./hostReader";
import type { HostSettings, TailnetSettings, TailscaleArchive } from "./settings";
import { portsBy, sshWays } from "./sshWays";

/** The keys of the group `tailnet`. */
export const tailnetKeys = [
  "enabled",
  "tags",
  "users",
  "acl",
  "overwriteAcl",
  "https",
  "sshOnly",
  "previousSshOnly",
  "address",
  "loginServer",
  "archive",
] as const;

/** Tailscale as its makers publish it. A new version comes with new hashes, from `ARCHIVE.sha256` beside each archive. */
const official: TailscaleArchive = {
  baseUrl: "https://pkgs.tailscale.com/stable/",
  version: "1.98.4",
  sha256: {
    amd64: "e6c08a8ee7e63e69aaf1b62ecd12672b3883fbcd2a176bf6cfa42a15fdce0b6b",
    arm64: "3cb068eb1368b6bb218d0ef0aa0a7a679a7156b7c979e2279cc2c2321b5f05c7",
  },
};

/** Both, because Tailscale's owner is a role of its own. */
const defaultUsers = ["autogroup:owner", "autogroup:admin"];
const tag = /^tag:[a-z][a-z0-9-]{0,49}$/i;
/** Roles of the tailnet's own people, a login name, or a group of the identity provider; never everybody, devices or strangers. */
const user =
  /^(?:autogroup:(?:owner|admin|it-admin|network-admin|billing-admin|auditor|member)|(?:group:)?[^\s@":,*]+@[a-z0-9.-]+)$/i;

/**
 * The group `tailnet` of one host.
 *
 * @param credentials - what is wrong with the credentials for Tailscale's API, if anything
 */
export function readTailnet(reader: ConfigReader, keys: Group, credentials: string | undefined): TailnetSettings {
  const enabled = reader.boolean(keys.at("enabled"), keys.of("enabled"), true);
  if (enabled && credentials !== undefined) {
    reader.wrong(keys.at("enabled"), keys.of("enabled"), credentials, credentialsFix(keys.at("enabled")));
  }
  const loginServer = url(reader, keys.at("loginServer"), keys.of("loginServer"));
  const https = reader.boolean(keys.at("https"), keys.of("https"), loginServer === undefined);
  return {
    enabled,
    tags: names(reader, keys.at("tags"), keys.of("tags"), ["tag:monoclaw"], tag, "a tag such as tag:monoclaw"),
    users: names(
      reader,
      keys.at("users"),
      keys.of("users"),
      defaultUsers,
      user,
      "a login such as alice@example.com, a group such as group:ops@example.com, or a role such as autogroup:admin",
    ),
    acl: reader.choice(keys.at("acl"), keys.of("acl"), ["manage", "leave"]),
    overwriteAcl: reader.boolean(keys.at("overwriteAcl"), keys.of("overwriteAcl"), false),
    https,
    ...readSsh(reader, keys, enabled),
    loginServer,
    archive: archive(reader, keys.at("archive"), keys.of("archive")),
  };
}

/** Which ways in SSH has. */
function readSsh(
  reader: ConfigReader,
  keys: Group,
  enabled: boolean,
): Pick<TailnetSettings, "sshOnly" | "previousSshOnly" | "address"> {
  const rm = (key: string) => `pulumi config rm --path ${pathOf(keys.at(key))}`;
  const sshOnly = reader.boolean(keys.at("sshOnly"), keys.of("sshOnly"), false);
  const given = keys.of("previousSshOnly");
  const previousSshOnly = given === undefined ? undefined : reader.boolean(keys.at("previousSshOnly"), given, false);
  if (previousSshOnly === sshOnly) {
    const reason = "is the same as sshOnly; it is only for the time of a change";
    reader.wrong(keys.at("previousSshOnly"), given, reason, rm("previousSshOnly"));
  }
  for (const [key, value] of Object.entries({ sshOnly, previousSshOnly })) {
    if (value === true && !enabled) {
      const reason = "needs the tailnet, and that is not enabled: nobody could log in. First go back to public SSH";
      reader.wrong(keys.at(key), value, reason, setFix(keys.at("enabled"), "true"));
    }
  }
  const address = keys.of("address");
  if (address !== undefined && !isAddress(address)) {
    const reason = "must be an IP address or a DNS name, by which this machine reaches the host on the tailnet";
    reader.wrong(keys.at("address"), address, reason, rm("address"));
    return { sshOnly, previousSshOnly, address: undefined };
  }
  return { sshOnly, previousSshOnly, address };
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && (isIP(value) !== 0 || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(value));
}

function credentialsFix(enabled: string): string {
  return [
    "pulumi config set --secret tailscale:apiKey     # or, of an OAuth client with the scopes auth_keys, devices:core, policy_file, dns:",
    "pulumi config set tailscale:oauthClientId ID && pulumi config set --secret tailscale:oauthClientSecret     # or:",
    `pulumi config set --path ${pathOf(enabled)} false`,
  ].join("\n      ");
}

/** What only all hosts together show: they share one tailnet, so one policy and its tags. */
export function checkTailnets(reader: ConfigReader, hosts: ReadonlyMap<string, HostSettings>): void {
  const members = [...hosts].filter(([, { tailnet }]) => tailnet.enabled);
  const [first] = members;
  for (const [name, host] of members) {
    const { tailnet } = host;
    for (const key of ["acl", "overwriteAcl"] as const) {
      if (first !== undefined && tailnet[key] !== first[1].tailnet[key]) {
        const reason = `differs from host ${first[0]}'s, but a tailnet has one policy: set it for the whole stack`;
        const place = `hosts.${name}.tailnet.${key}`;
        reader.wrong(place, tailnet[key], reason, `pulumi config rm --path ${pathOf(place)}`);
      }
    }
    const { address } = tailnet;
    const other = members.find(([, { tailnet: theirs }]) => address !== undefined && theirs.address === address);
    if (other !== undefined && other[0] !== name) {
      const reason = `is host ${other[0]}'s, too; each host has an address of its own`;
      const place = `hosts.${name}.tailnet.address`;
      reader.wrong(place, address, reason, `pulumi config rm --path ${pathOf(place)}`);
    }
    const twin = members.find(([, other]) => other.tailnet.tags[0] === tailnet.tags[0]);
    if (twin !== undefined && grantOf(twin[1]) !== grantOf(host)) {
      const reason =
        `host ${twin[0]} has the same first tag but other users, https or ways for SSH, and the policy's grant is for the tag: ` +
        "give this host a tag of its own";
      const place = `hosts.${name}.tailnet.tags[0]`;
      reader.wrong(place, tailnet.tags[0], reason, setFix(place, `tag:${name}`));
    }
  }
}

function grantOf(host: HostSettings): string {
  const { users, https } = host.tailnet;
  return JSON.stringify([[...users].sort(), https, portsBy("tailnet", sshWays(host))]);
}

/** A list of names, each once; not empty. */
function names(
  reader: ConfigReader,
  key: string,
  value: unknown,
  fallback: readonly string[],
  pattern: RegExp,
  what: string,
): readonly string[] {
  if (value === undefined) {
    return fallback;
  }
  const example = fallback.at(-1) ?? "";
  if (!Array.isArray(value) || value.length === 0) {
    reader.wrong(key, value, `must be a list of at least one: ${what}`, setFix(`${key}[0]`, example));
    return fallback;
  }
  return [...new Set(value)].flatMap((entry: unknown, index) => {
    if (typeof entry === "string" && pattern.test(entry)) {
      return [entry];
    }
    const place = `${key}[${String(index)}]`;
    reader.wrong(place, entry, `must be ${what}`, setFix(place, example));
    return [];
  });
}

function url(reader: ConfigReader, key: string, value: unknown): string | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (typeof value === "string" && /^https?:\/\/[^\s/?#@]+\/?$/.test(value) && URL.canParse(value)) {
    return value.replace(/\/$/, "");
  }
  const reason = "must be the URL of a control server, such as https://headscale.example.com";
  reader.wrong(key, value, reason, `pulumi config rm --path ${pathOf(key)}`);
  return undefined;
}

function archive(reader: ConfigReader, key: string, value: unknown): TailscaleArchive {
  const given = reader.record(key, value);
  reader.onlyKeys(`${key}.`, given, ["baseUrl", "sha256"]);
  const hashes = reader.record(`${key}.sha256`, given["sha256"]);
  reader.onlyKeys(`${key}.sha256.`, hashes, ["amd64", "arm64"]);
  const baseUrl = given["baseUrl"] ?? official.baseUrl;
  if (typeof baseUrl !== "string" || !/^https?:\/\/[^\s?#@]+$/.test(baseUrl) || !URL.canParse(baseUrl)) {
    const reason = "must be the URL of the folder that holds Tailscale's archives";
    reader.wrong(`${key}.baseUrl`, baseUrl, reason, `pulumi config rm --path ${pathOf(`${key}.baseUrl`)}`);
    return official;
  }
  const hash = (architecture: "amd64" | "arm64") =>
    digest(reader, `${key}.sha256.${architecture}`, hashes[architecture]) ?? official.sha256[architecture];
  return {
    baseUrl: baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`,
    version: official.version,
    sha256: { amd64: hash("amd64"), arm64: hash("arm64") },
  };
}

/** A SHA-256, or the one that a file holds. */
function digest(reader: ConfigReader, key: string, value: unknown): string | undefined {
  if (value === undefined) {
    return undefined;
  }
  const fix = `pulumi config rm --path ${pathOf(key)}`;
  if (typeof value !== "string") {
    reader.wrong(key, value, "must be a SHA-256 in 64 hex digits, or the path of a file that holds one", fix);
    return undefined;
  }
  let text = value;
  if (!/^[0-9a-f]{64}$/.test(text)) {
    const file = path.resolve(reader.root, value.replace(/^~(?=\/)/, os.homedir()));
    if (!fs.existsSync(file)) {
      reader.wrong(key, value, "is no SHA-256 in 64 hex digits, and there is no such file", fix);
      return undefined;
    }
    text = fs.readFileSync(file, "utf8").trim().split(/\s/)[0] ?? "";
  }
  if (!/^[0-9a-f]{64}$/.test(text)) {
    reader.wrong(key, value, "is a file that does not begin with a SHA-256 in 64 hex digits", fix);
    return undefined;
  }
  return text;
}
