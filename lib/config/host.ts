import { fixedSettings } from "../openclawSettings";
import { readExisting } from "./existing";
import { common, host, server } from "./keys";
import { type Mistakes, setCommand } from "./mistakes";
import type { RawMap } from "./key";
import type { Scope } from "./scope";
import type { HostSettings, MachineSettings } from "./settings";
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
  const { target, ...values } = scope.pick(common);
  const { primaryUser, sshPort, previousSshPort, openclaw } = values;
  if (previousSshPort === sshPort) {
    const reason = "is the same as sshPort; it is only for the time of a change";
    mistakes.add(scope.at("previousSshPort"), previousSshPort, reason);
  }
  if (reservedNames.has(primaryUser)) {
    const place = scope.at("primaryUser");
    const reason = "is an account or a group that means something else on the host";
    mistakes.add(place, primaryUser, reason, setCommand(place, host.primaryUser.fallback));
  }
  checkOpenclaw(mistakes, scope.group("openclaw").at("settings"), openclaw.settings);
  return {
    ...values,
    machine: readMachine(mistakes, scope, { target, primaryUser }),
    tailnet: readTailnet(mistakes, scope.group("tailnet"), credentials),
  };
}

interface Wanted {
  readonly target: MachineSettings["target"];
  readonly primaryUser: string;
}

function readMachine(mistakes: Mistakes, scope: Scope, { target, primaryUser }: Wanted): MachineSettings {
  const foreign = target === "hcloud" ? "existing" : "server";
  if (scope.isOwn(foreign)) {
    const reason = `is for hosts with target ${foreign === "server" ? "hcloud" : "existing"}; this one's is ${target}`;
    mistakes.add(scope.at(foreign), "…", reason);
  }
  // So that a misspelt key is found there, too.
  scope.group(foreign).onlyKeys(Object.keys(host[foreign]));
  switch (target) {
    case "existing":
      return { target, existing: readExisting(mistakes, scope.group("existing"), primaryUser) };
    case "hcloud":
      return { target, server: scope.group("server").read(server) };
  }
}

/** The keys of openclaw.json that are the program's own. */
function checkOpenclaw(mistakes: Mistakes, place: string, settings: RawMap): void {
  for (const managed of fixedSettings) {
    const found = managed.split(".").reduce<unknown>((node, part) => {
      return typeof node === "object" && node !== null ? (node as Record<string, unknown>)[part] : undefined;
    }, settings);
    if (found !== undefined) {
      mistakes.add(`${place}.${managed}`, "…", "is set by the program and can't be overridden");
    }
  }
}
