import * as pulumi from "@pulumi/pulumi";
import { readBefore } from "./components/before";
import { Host } from "./components/host";
import { Tailnet } from "./components/tailnet";
import type { Settings } from "./lib/config";
import { readSettings } from "./lib/stackConfig";
import { memberOf } from "./lib/tailnetPolicy";

/** The program: gives back the stack's outputs. */
export = async (): Promise<Record<string, unknown>> => {
  const settings = readSettings();
  const tailnet = await ownTailnet(settings);
  const before = await readBefore();
  const built = [...settings.hosts].map(([name, host]) => {
    const args = { ...host, leastSerial: settings.serial, before, policyOwner: tailnet };
    return { name, settings: host, host: new Host(name, args) };
  });
  const byName = <T>(of: (host: Host) => T) => Object.fromEntries(built.map(({ name, host }) => [name, of(host)]));
  return {
    /** Address, port and user of each host. */
    hosts: Object.fromEntries(
      built.map(({ name, host: { address }, settings: { sshPort, primaryUser } }) => [
        name,
        { address, sshPort, user: primaryUser },
      ]),
    ),
    /** What to type for a shell on each host. */
    sshCommand: byName((host) => host.sshCommand),
    /** The hosts' lines for `~/.ssh/known_hosts`. */
    knownHosts: pulumi.all(built.map(({ host }) => host.knownHosts)).apply((lines) => lines.join("\n")),
    /** Where each dashboard is. */
    dashboardUrl: byName((host) => host.dashboardUrl),
    /** The gateways' tokens. Secret. */
    gatewayTokens: byName((host) => host.gatewayToken),
    /** What to run for a new token. */
    rotateToken: byName((host) => host.rotateToken),
    /** What each host's own audit found at its last change. */
    audit: byName((host) => host.audit),
    ...leftovers(settings),
  };
};

/** The tailnet whose policy this stack owns, if it owns one. */
async function ownTailnet({ hosts }: Settings): Promise<Tailnet | undefined> {
  const members = [...hosts.values()].filter(({ tailnet }) => tailnet.enabled);
  const first = members[0]?.tailnet;
  return first?.acl === "manage"
    ? Tailnet.make("tailnet", { members: members.map(memberOf), overwriteAcl: first.overwriteAcl })
    : undefined;
}

/** An output with what `pulumi destroy` leaves, of which it says nothing itself: machines that were there before the stack. */
function leftovers({ hosts }: Settings): { staysAfterDestroy?: Record<string, string> } {
  const lines = [...hosts].flatMap(([name, { existing, tailnet }]): [string, string][] =>
    existing === undefined
      ? []
      : [
          [
            name,
            `${existing.address} stays hardened and running, and obeys nobody: docs/existing.md#taking-it-down` +
              (tailnet.sshOnly || tailnet.previousSshOnly === true
                ? ". SSH comes in over the tailnet alone, which destroy takes it off: first go back to public SSH, docs/tailnet.md"
                : ""),
          ],
        ],
  );
  return lines.length === 0 ? {} : { staysAfterDestroy: Object.fromEntries(lines) };
}
