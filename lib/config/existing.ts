import { checkPublicKey } from "../publicKey";
import { hostKeyOf } from "./files";
import { existing } from "./keys";
import { type Mistakes, setCommand } from "./mistakes";
import type { Scope } from "./scope";
import type { ExistingSettings } from "./settings";

/** The group `existing` of one host. */
export function readExisting(mistakes: Mistakes, scope: Scope, primaryUser: string): ExistingSettings {
  const { hostKey, ...settings } = scope.read(existing);
  const { user, address, trustOnFirstUse } = settings;
  if (user === primaryUser) {
    const reason = "is the primaryUser, who will have no way to root; give another account that has one";
    mistakes.add(scope.at("user"), user, reason, setCommand(scope.at("user"), "root"));
  }
  const place = scope.at("hostKey");
  const scan = setCommand(place, hostKeyOf(address === "" ? "ADDRESS" : address));
  if (!trustOnFirstUse && scope.of("hostKey") === undefined) {
    const reason =
      "must be the machine's host key, compared with what its provider's console shows; or set trustOnFirstUse";
    mistakes.add(place, undefined, reason, scan);
  }
  if (trustOnFirstUse && hostKey !== undefined) {
    mistakes.add(scope.at("trustOnFirstUse"), true, "is for a machine without a known hostKey, but there is one");
  }
  const line = hostKey?.trim();
  const isOther = line !== undefined && !line.startsWith("ssh-ed25519 ");
  const reason = isOther ? "must be a line 'ssh-ed25519 AAAA…'" : line && checkPublicKey(line);
  if (reason) {
    mistakes.add(place, hostKey, reason, scan);
  }
  return { ...settings, hostKey: line?.split(/\s+/).slice(0, 2).join(" ") };
}
