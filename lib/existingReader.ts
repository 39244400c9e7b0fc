import * as fs from "node:fs";
import { isIP } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { type ConfigReader, pathOf, setFix } from "./configReader";
import type { Group } from "./hostReader";
import { checkPrivateKey } from "./privateKey";
import { checkPublicKey } from "./publicKey";
import type { ExistingSettings } from "./settings";

/** The keys of the group `existing`. */
export const existingKeys = ["address", "port", "user", "privateKey", "hostKey", "trustOnFirstUse"] as const;

/** The group `existing` of one host. A private key is never part of what a mistake says. */
export function readExisting(reader: ConfigReader, keys: Group, primaryUser: string): ExistingSettings {
  const user = reader.text(keys.at("user"), keys.of("user"), "root", /^[a-z_][a-z0-9_.-]{0,31}$/i, "a user name");
  if (user === primaryUser) {
    const reason = "is the primaryUser, who will have no way to root; give another account that has one";
    reader.wrong(keys.at("user"), user, reason, setFix(keys.at("user"), "root"));
  }
  const address = readAddress(reader, keys.at("address"), keys.of("address"));
  return {
    address,
    port: reader.integer(keys.at("port"), keys.of("port"), 22, { min: 1, max: 65535 }),
    user,
    privateKey: readPrivateKey(reader, keys.at("privateKey"), keys.of("privateKey")),
    hostKey: readHostKey(reader, keys, address),
  };
}

function readAddress(reader: ConfigReader, key: string, value: unknown): string {
  const name = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
  // A number alone, or numbers with dots, would be a mistyped IPv4 address.
  if (typeof value === "string" && (isIP(value) !== 0 || (name.test(value) && !/^[\d.]+$/.test(value)))) {
    return value;
  }
  reader.wrong(key, value, "must be the machine's IP address or DNS name", setFix(key, "203.0.113.7"));
  return "";
}

function readPrivateKey(reader: ConfigReader, key: string, value: unknown): string | undefined {
  if (value === undefined) {
    return undefined;
  }
  const agent = `pulumi config rm --path ${pathOf(key)}`;
  if (typeof value !== "string") {
    reader.wrong(key, "…", "must be a private key, or the path of its file; without it the SSH agent is asked", agent);
    return undefined;
  }
  let text = value;
  if (!value.includes("-----BEGIN")) {
    const file = path.resolve(reader.root, value.replace(/^~(?=\/)/, os.homedir()));
    if (!fs.existsSync(file)) {
      // Not the value: somebody may have pasted half a key.
      const reason = "there is no such file; once the stack is up it isn't needed any more";
      reader.wrong(key, "…", reason, agent);
      return undefined;
    }
    text = fs.readFileSync(file, "utf8");
  } else if (!reader.isSecret(key)) {
    const reason = "stands in clear in the stack's configuration file; encrypt it, or give the path of the key's file";
    reader.wrong(key, "…", reason, `pulumi config set --secret --path ${pathOf(key)} -- "$(cat ~/.ssh/id_ed25519)"`);
  }
  const reason = checkPrivateKey(text);
  if (reason !== undefined) {
    reader.wrong(key, "…", reason, agent);
    return undefined;
  }
  return `${text.trim()}\n`;
}

function readHostKey(reader: ConfigReader, keys: Group, address: string): string | undefined {
  const [key, value] = [keys.at("hostKey"), keys.of("hostKey")];
  const isTrusting = reader.boolean(keys.at("trustOnFirstUse"), keys.of("trustOnFirstUse"), false);
  const scan = `pulumi config set --path ${pathOf(key)} "$(ssh-keyscan -t ed25519 ${address} | cut -d' ' -f2-)"`;
  if (value === undefined) {
    if (!isTrusting) {
      const reason =
        "must be the machine's host key, compared with what its provider's console shows; or set trustOnFirstUse";
      reader.wrong(key, value, reason, scan);
    }
    return undefined;
  }
  if (isTrusting) {
    const place = keys.at("trustOnFirstUse");
    const reason = "is for a machine without a known hostKey, but there is one";
    reader.wrong(place, true, reason, `pulumi config rm --path ${pathOf(place)}`);
  }
  const line = typeof value === "string" ? value.trim() : "";
  const reason = line.startsWith("ssh-ed25519 ") ? checkPublicKey(line) : "must be a line 'ssh-ed25519 AAAA…'";
  if (reason !== undefined) {
    reader.wrong(key, value, reason, scan);
    return undefined;
  }
  return line.split(/\s+/).slice(0, 2).join(" ");
}
