import * as pulumi from "@pulumi/pulumi";
import { render } from "../../lib/render";
import { sha256 } from "../../lib/sha256";
import { hereDocument, quote } from "../../lib/shell";
import type { HostParts, LayerDefinition } from "./definition";
import { hostFile } from "./files";

/** What the users layer needs to know. */
export interface UsersArgs {
  readonly primaryUser: string;
  /** Public keys of the people who log in, one line each. */
  readonly authorizedKeys: readonly string[];
  /** Public key of the stack, which may only hand in envelopes. */
  readonly deployPublicKey: string;
}

/** The whole of the primary user's authorized_keys. */
function authorizedKeysText({ authorizedKeys, deployPublicKey }: UsersArgs): string {
  const deploy = `restrict,command="/usr/local/vps-scripts/deploy-entry" ${deployPublicKey}`;
  return [...authorizedKeys, deploy, ""].join("\n");
}

/** The primary user's files, which the bootstrap and the users layer both install (requirements: Service user). */
export function userFiles(args: UsersArgs) {
  const { primaryUser } = args;
  return {
    sudoersName: `010_${primaryUser}-limited`,
    sudoers: hostFile("etc/sudoers.d/010_limited", { user: primaryUser }),
    authorizedKeys: hereDocument(authorizedKeysText(args)),
  };
}

/** Script of the users layer. */
export function usersScript(args: UsersArgs): string {
  return render("layers/users/apply.sh", { primaryUser: quote(args.primaryUser), ...userFiles(args) });
}

function usersArgs({ primaryUser, content, deployPublicKey }: HostParts): pulumi.Output<UsersArgs> {
  return pulumi.output({ primaryUser, authorizedKeys: content.authorizedKeys, deployPublicKey });
}

export const usersLayer: LayerDefinition = {
  name: "users",
  after: ["receiver"],
  script: (parts) => usersArgs(parts).apply(usersScript),
  expected: (parts) =>
    usersArgs(parts).apply((args) => ({
      primaryUser: args.primaryUser,
      authorizedKeys: sha256(authorizedKeysText(args)),
    })),
};
