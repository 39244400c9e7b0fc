import { portsBy, sshWays } from "../sshWays";
import { tailnet } from "./keys";
import { type Mistakes, pathOf, setCommand } from "./mistakes";
import type { Scope } from "./scope";
import type { HostSettings, TailnetSettings, TailscaleArchive } from "./settings";

/** The version of Tailscale that hosts have. A new one comes with new hashes, from `ARCHIVE.sha256` beside each archive. */
export const tailscaleVersion = "1.98.4";

/** Tailscale as its makers publish it. */
const official: TailscaleArchive = {
  baseUrl: "https://pkgs.tailscale.com/stable/",
  sha256: {
    amd64: "e6c08a8ee7e63e69aaf1b62ecd12672b3883fbcd2a176bf6cfa42a15fdce0b6b",
    arm64: "3cb068eb1368b6bb218d0ef0aa0a7a679a7156b7c979e2279cc2c2321b5f05c7",
  },
};

/**
 * The group `tailnet` of one host.
 *
 * @param credentials - what is wrong with the credentials for Tailscale's API, if anything
 */
export function readTailnet(mistakes: Mistakes, scope: Scope, credentials: string | undefined): TailnetSettings {
  const { tags, users, loginServer, https, archive, ...values } = scope.read(tailnet);
  if (values.enabled && credentials !== undefined) {
    const place = scope.at("enabled");
    mistakes.add(place, scope.of("enabled"), credentials, credentialsFix(place));
  }
  checkSsh(mistakes, scope, values);
  const folder = archive.baseUrl ?? official.baseUrl;
  return {
    ...values,
    tags: [...new Set(tags)],
    users: [...new Set(users)],
    loginServer: loginServer?.replace(/\/$/, ""),
    https: https ?? loginServer === undefined,
    archive: {
      baseUrl: folder.endsWith("/") ? folder : `${folder}/`,
      sha256: {
        amd64: archive.sha256.amd64 ?? official.sha256.amd64,
        arm64: archive.sha256.arm64 ?? official.sha256.arm64,
      },
    },
  };
}

type SshValues = Pick<TailnetSettings, "enabled" | "sshOnly" | "previousSshOnly">;

/** The ways in that SSH has must be such that somebody can log in. */
function checkSsh(mistakes: Mistakes, scope: Scope, { enabled, sshOnly, previousSshOnly }: SshValues): void {
  if (previousSshOnly === sshOnly) {
    const reason = "is the same as sshOnly; it is only for the time of a change";
    mistakes.add(scope.at("previousSshOnly"), previousSshOnly, reason);
  }
  for (const [key, value] of Object.entries({ sshOnly, previousSshOnly })) {
    if (value === true && !enabled) {
      const reason = "needs the tailnet, and that is not enabled: nobody could log in. First go back to public SSH";
      mistakes.add(scope.at(key), value, reason, setCommand(scope.at("enabled"), "true"));
    }
  }
}

function credentialsFix(enabled: string): string {
  return [
    "pulumi config set --secret tailscale:apiKey     # or, of an OAuth client with the scopes auth_keys, devices:core, policy_file, dns:",
    "pulumi config set tailscale:oauthClientId ID && pulumi config set --secret tailscale:oauthClientSecret     # or:",
    `pulumi config set --path ${pathOf(enabled)} false`,
  ].join("\n      ");
}

/** What only all hosts together show: they share one tailnet, so one policy and its tags. */
export function checkTailnets(mistakes: Mistakes, hosts: ReadonlyMap<string, HostSettings>): void {
  const members = [...hosts].filter(([, host]) => host.tailnet.enabled);
  const [first] = members;
  for (const [name, host] of members) {
    const own = host.tailnet;
    for (const key of ["acl", "overwriteAcl"] as const) {
      if (first !== undefined && own[key] !== first[1].tailnet[key]) {
        const reason = `differs from host ${first[0]}'s, but a tailnet has one policy: set it for the whole stack`;
        mistakes.add(`hosts.${name}.tailnet.${key}`, own[key], reason);
      }
    }
    const { address } = own;
    const other = members.find(([, { tailnet: theirs }]) => address !== undefined && theirs.address === address);
    if (other !== undefined && other[0] !== name) {
      const reason = `is host ${other[0]}'s, too; each host has an address of its own`;
      mistakes.add(`hosts.${name}.tailnet.address`, address, reason);
    }
    const twin = members.find(([, { tailnet: theirs }]) => theirs.tags[0] === own.tags[0]);
    if (twin !== undefined && grantOf(twin[1]) !== grantOf(host)) {
      const reason =
        `host ${twin[0]} has the same first tag but other users, https or ways for SSH, and the policy's grant is for the tag: ` +
        "give this host a tag of its own";
      const place = `hosts.${name}.tailnet.tags[0]`;
      mistakes.add(place, own.tags[0], reason, setCommand(place, `tag:${name}`));
    }
  }
}

function grantOf(host: HostSettings): string {
  const { users, https } = host.tailnet;
  return JSON.stringify([[...users].sort(), https, portsBy("tailnet", sshWays(host))]);
}
