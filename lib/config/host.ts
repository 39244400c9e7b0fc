import { fixedSettings } from "../openclawSettings";
import { readExisting } from "./existing";
import { content as contentKeys, host, structure } from "./keys";
import { type Mistakes, setCommand } from "./mistakes";
import type { Scope } from "./scope";
import type { HostSettings, StructureSettings } from "./settings";
import { readTailnet } from "./tailnet";

/** Accounts and groups of Debian and Ubuntu; `admin` and `sudo` lead to root there (sudoers(5)). */
const reservedNames = new Set(
  (
    "root admin sudo wheel adm operator openclaw daemon bin sys sync games man lp mail news uucp proxy www-data backup " +
    "list irc nobody sshd messagebus staff users shadow disk utmp video audio plugdev lxd docker debian ubuntu"
  ).split(" "),
);

/**
 * Reads one host.
 *
 * @param credentials - what is wrong with the credentials for Tailscale's API, if anything
 */
export function readHost(mistakes: Mistakes, scope: Scope, credentials: string | undefined): HostSettings {
  scope.onlyKeys(Object.keys(host));
  const known = readStructure(mistakes, scope, credentials);
  const content = readContent(mistakes, scope, contentKeys);
  return { ...known, ...content, server: known.target === "hcloud" ? content.server : undefined };
}

/** What decides which resources a host has. */
export function readStructure(mistakes: Mistakes, scope: Scope, credentials?: string): StructureSettings {
  const values = scope.pick(structure);
  const { target, primaryUser, sshPort, previousSshPort } = values;
  if (previousSshPort === sshPort) {
    const reason = "is the same as sshPort; it is only for the time of a change";
    mistakes.add(scope.at("previousSshPort"), previousSshPort, reason);
  }
  if (reservedNames.has(primaryUser)) {
    const place = scope.at("primaryUser");
    const reason = "is an account or a group that means something else on the host";
    mistakes.add(place, primaryUser, reason, setCommand(place, structure.primaryUser.fallback));
  }
  const foreign = target === "hcloud" ? "existing" : "server";
  if (scope.isOwn(foreign)) {
    const reason = `is for hosts with target ${foreign === "server" ? "hcloud" : "existing"}; this one's is ${target}`;
    mistakes.add(scope.at(foreign), "…", reason);
  }
  // So that a misspelt key is found there, too.
  scope.group(foreign).onlyKeys(Object.keys(host[foreign]));
  return {
    ...values,
    existing: target === "existing" ? readExisting(mistakes, scope.group("existing"), primaryUser) : undefined,
    tailnet: readTailnet(mistakes, scope.group("tailnet"), credentials),
  };
}

/** What the resources of a host hold: all of it, or some keys. */
export function readContent<S extends Partial<typeof contentKeys>>(mistakes: Mistakes, scope: Scope, keys: S) {
  if (keys.openclaw !== undefined) {
    const settings = scope.group("openclaw");
    checkOpenclaw(mistakes, settings.at("settings"), settings.of("settings"));
  }
  return scope.pick(keys);
}

/** The keys of openclaw.json that are the program's own. */
function checkOpenclaw(mistakes: Mistakes, place: string, settings: unknown): void {
  for (const managed of fixedSettings) {
    const found = managed.split(".").reduce<unknown>((node, part) => {
      return typeof node === "object" && node !== null ? (node as Record<string, unknown>)[part] : undefined;
    }, settings);
    if (found !== undefined) {
      mistakes.add(`${place}.${managed}`, "…", "is set by the program and can't be overridden");
    }
  }
}
