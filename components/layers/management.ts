import { createHash } from "node:crypto";
import type { Fail2banSettings, KernelMode, LimitSettings, TailscaleArchive, UpdateSettings } from "../../lib/config";
import { openClawPackages } from "../../lib/openclawPackages";
import { readTemplate, render, templateNames } from "../../lib/render";
import { hereDocument } from "../../lib/shell";
import { type SshWay, wayWord } from "../../lib/sshWays";
import { ignoredAddresses } from "./fail2ban";
import { hostFile } from "./files";
import { expectedKernel } from "./kernel";
import { expectedTailnet, type TailnetHost } from "./tailscale";
import { authorizedKeysText, type UsersArgs } from "./users";

/** Commands for the person on the host; each stands in `/usr/local/bin`, and in the primary user's sudo rows. */
const commands = ["monoclaw-logs", "monoclaw-security", "monoclaw-status", "monoclaw-tailscale", "monoclaw-update"];
/** What they share, and the layers of the tailnet with them. */
const helpers = [
  "devices",
  "evict",
  "fetch-file",
  "leave-tailnet.sh",
  "management.sh",
  "regenerate-token.sh",
  "show-config",
  "show-devices",
  "tailnet-facts",
  "tailscale.sh",
];
const scripts = "usr/local/vps-scripts";

/** The scripts that `monoclaw-security` is made of. */
function auditScripts(): string[] {
  return templateNames(`host/${scripts}`).filter((name) => name.startsWith("audit"));
}

/** What the management layer needs to know: what the host's own audit compares with. */
export interface ManagementArgs extends UsersArgs {
  /** TCP ports that sshd listens on. */
  readonly sshPorts: readonly number[];
  /** The ways that the firewall lets SSH in by. */
  readonly open: readonly SshWay[];
  readonly limits: LimitSettings;
  readonly fail2ban: Fail2banSettings;
  readonly updates: UpdateSettings;
  readonly kernel: KernelMode;
  /** The host's place on its tailnet, and the Tailscale that it runs; without one it is on none. */
  readonly tailnet?: (TailnetHost & { readonly archive: TailscaleArchive }) | undefined;
  /** The command that makes a new token for stack and host. */
  readonly rotateToken: string;
}

/** Script of the management layer (requirements: Restricted sudo, Audit). */
export function managementScript(args: ManagementArgs): string {
  const { primaryUser, sshPorts, open, limits, fail2ban, updates, kernel, rotateToken } = args;
  const expected = {
    primaryUser,
    sshPorts: sshPorts.join(","),
    sshWays: open.map(wayWord).join(","),
    memoryMax: bytes(limits.memoryMax),
    tasksMax: limits.tasksMax,
    maxretry: fail2ban.maxretry,
    findtime: fail2ban.findtime,
    bantime: fail2ban.bantime,
    ignoreip: ignoredAddresses(fail2ban.ignoreip).join(","),
    reboot: updates.reboot === "automatic",
    kernel: expectedKernel(kernel),
    openclaw: openClawPackages().id,
    ...expectedTailnet(args.tailnet),
    authorizedKeys: sha256(authorizedKeysText(args)),
    scripts: scriptsDigest(),
    rotateToken,
  };
  return render("layers/management.sh", {
    commands,
    scripts: [...commands, ...helpers, ...auditScripts()].map((name) => ({
      name,
      text: hostFile(`${scripts}/${name}`),
    })),
    expected: hereDocument(
      Object.entries(expected)
        .map(([key, value]) => `${key}=${String(value)}\n`)
        .join(""),
    ),
  });
}

/** Over all scripts of the host, whichever layer brings them, as `sha256sum * | sha256sum` makes it there. */
function scriptsDigest(): string {
  const lines = templateNames(`host/${scripts}`).map(
    (name) => `${sha256(readTemplate(`host/${scripts}/${name}`))}  ${name}\n`,
  );
  return sha256(lines.join(""));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** As `systemctl show` gives it: bytes. */
function bytes(memoryMax: string): number {
  return Number.parseInt(memoryMax, 10) * 1024 ** (memoryMax.endsWith("G") ? 3 : 2);
}
