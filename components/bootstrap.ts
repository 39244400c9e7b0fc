import * as zlib from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import { render } from "../lib/render";
import { hereDocument, quote, quoteAll } from "../lib/shell";
import type { SshWays } from "../lib/sshWays";
import type { PreparedSettings } from "./hostSettings";
import { bootstrapFiles } from "./layers/receiver";
import { type SshArgs, socketFile, sshdFiles } from "./layers/ssh";
import { type UsersArgs, userFiles } from "./layers/users";
import type { Trust } from "./trust";

/** Largest user_data that Hetzner takes, in bytes. */
export const maxUserDataBytes = 32 * 1024;

/** What a host is told before its stack has made contact. */
export interface BootstrapArgs extends SshArgs, UsersArgs {
  readonly hostId: string;
  /** Content of `/etc/monoclaw/allowed_signers`, one line. */
  readonly allowedSigners: string;
}

/** What a machine is told, from the host's settings and keys. */
export function bootstrapArgs(
  { primaryUser, content }: PreparedSettings,
  ways: SshWays,
  { hostId, allowedSigners, deployPublicKey }: Trust,
): pulumi.Output<BootstrapArgs> {
  const { authorizedKeys } = content;
  return pulumi.output({ hostId, allowedSigners, deployPublicKey, primaryUser, sshPorts: ways.ports, authorizedKeys });
}

/** The script that makes a fresh server ready for its first contact. */
export function bootstrapScript(args: BootstrapArgs): string {
  const closedFirewall = hereDocument(render("runtime/closed.nft.mustache", { sshPorts: args.sshPorts.join(", ") }));
  return scriptAround(
    args,
    render("runtime/bootstrap-vps.sh", { closedFirewall, ...sshdFiles(args), ...socketFile(args) }),
  );
}

/** The script that makes an existing machine ready for its first contact, with its old ways in still open. */
export function existingScript(args: BootstrapArgs): string {
  return scriptAround(
    args,
    render("runtime/bootstrap-existing.sh", { ports: quoteAll(args.sshPorts.map(String)), hostId: args.hostId }),
  );
}

/** What both have in common, around the machine's own part with the main function. */
function scriptAround(args: BootstrapArgs, machine: string): string {
  return render("runtime/bootstrap.sh", {
    primaryUser: quote(args.primaryUser),
    hostId: args.hostId,
    allowedSigners: quote(args.allowedSigners),
    machine,
    ...bootstrapFiles(),
    ...userFiles(args),
  });
}

/**
 * The cloud-config around the bootstrap script (`cloud-init schema` checks it in the tests).
 *
 * @param hostKey - the single-use host key, OpenSSH's formats
 * @throws RangeError if it is larger than Hetzner takes
 */
export function userData(
  args: BootstrapArgs,
  hostKey: { readonly privateKey: string; readonly publicKey: string },
): string {
  const script = "/var/lib/monoclaw/bootstrap.sh";
  const cloudConfig = {
    // Else sudo asks a name server for the host's own name at every command.
    manage_etc_hosts: "localhost",
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: `${hostKey.publicKey}\n` },
    disable_root: true,
    ssh_pwauth: false,
    // Without a list cloud-init would make the image's own user, with sudo to everything.
    users: [{ name: args.primaryUser, shell: "/bin/bash", lock_passwd: true }],
    // Packed, for there is room for 32 KiB. Nobody reads it here: the receiver layer shows the same tools in clear.
    write_files: [
      {
        path: script,
        permissions: "0700",
        encoding: "gz+b64",
        content: zlib.gzipSync(bootstrapScript(args), { level: 9 }).toString("base64"),
      },
    ],
    runcmd: [[script]],
  };
  // JSON is YAML, and needs no second set of quoting rules.
  const text = `#cloud-config\n${JSON.stringify(cloudConfig)}\n`;
  if (Buffer.byteLength(text) > maxUserDataBytes) {
    throw new RangeError(
      `user_data has ${String(Buffer.byteLength(text))} bytes, Hetzner takes ${String(maxUserDataBytes)}; list fewer authorizedKeys`,
    );
  }
  return text;
}
