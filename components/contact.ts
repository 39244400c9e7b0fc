import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { readAnswer } from "../lib/answer";
import { digest } from "../lib/envelope";
import type { Before } from "./before";
import { connection, dialErrorLimit, type Endpoint, perDialTimeout, refusal, type Target } from "./connection";
import type { ExistingInputs } from "./hostSettings";

/** How the first contact is asked for; the release before asked without the signature, and knew no other word. */
const signedContact = "first-contact signed";
const unsignedContact = "first-contact";
/** Attempts while a new server boots; they come 5 s apart. */
const bootDialErrorLimit = 60;

/** What an existing machine runs first, as root or another account; a failure shows it, so it is short. */
const asRoot = "bash -s";
const bySudo = `sudo -n true && exec sudo -n bash -s; echo 'error: this account has no sudo without a password' >&2; exit 1`;

/**
 * The one run on an existing machine as its root, before the stack has a way of its own. It leaves the old ways in open:
 * the ssh layer closes them, when the new one is proven.
 */
export class Bootstrap extends pulumi.ComponentResource {
  /** The machine's own public key: type and key, one line. */
  readonly hostKey: pulumi.Output<string>;

  constructor(
    name: string,
    args: { readonly existing: ExistingInputs; readonly machineId: string; readonly script: pulumi.Input<string> },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:Bootstrap", name, {}, opts);
    const { address: host, port, user, privateKey, hostKey } = args.existing;
    const run = new command.remote.Command(
      `${name}-bootstrap`,
      {
        // Key by key, as in connection(): an unexpected one would be printed with the private key beside it.
        connection: {
          host,
          port,
          user,
          dialErrorLimit,
          perDialTimeout,
          // Without one the SSH agent is asked.
          ...(privateKey === undefined ? {} : { privateKey: pulumi.secret(privateKey) }),
          ...(hostKey === undefined ? {} : { hostKey }),
        },
        create: user === "root" ? asRoot : bySudo,
        stdin: args.script,
        triggers: [args.machineId],
        addPreviousOutputInEnv: false,
        logging: command.remote.Logging.Stderr,
      },
      // Once it is done, root can't log in any more, and layers bring every change: only another machine gets it again.
      { parent: this, ignoreChanges: ["connection", "create", "stdin"] },
    );
    this.hostKey = pulumi.unsecret(run.stdout).apply(checkHostKey);
    this.registerOutputs({ hostKey: this.hostKey });
  }
}

/**
 * The first connection to a new host, which is known by its single-use key: the host makes a key of its own.
 */
export class FirstContact extends pulumi.ComponentResource {
  /** The host's own public key: type and key, one line. */
  readonly hostKey: pulumi.Output<string>;

  /**
   * @param args.at - where sshd of a new host is reached, which is on no tailnet yet
   * @param args.isOpen - false if the settings have that closed already: then a new host fails soon, as nobody can get in
   */
  constructor(
    name: string,
    args: { readonly target: Target; readonly at: Endpoint; readonly isOpen: boolean },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("monoclaw:index:FirstContact", name, {}, opts);
    const { target } = args;
    const contact = new command.remote.Command(
      `${name}-key`,
      {
        connection: connection(target, args.at, args.isOpen ? bootDialErrorLimit : dialErrorLimit),
        // Another machine in its place boots with the user_data of this one, so it is asked in the same way.
        create: target.before.commands.get(`${name}-key`)?.create ?? signedContact,
        triggers: [target.machineId],
        addPreviousOutputInEnv: false,
        logging: command.remote.Logging.Stderr,
      },
      // A later change of port or user is no reason to make contact again: only another machine is.
      { parent: this, ignoreChanges: ["connection"] },
    );
    this.hostKey = pulumi
      .unsecret(pulumi.all([contact.create, contact.stdout, target.hostKey]))
      .apply(([asked, stdout, key]) => {
        const isSigned = asked !== unsignedContact || stdout.startsWith("monoclaw-answer ");
        const text = isSigned ? readAnswer(stdout, key, digest(unsignedContact))?.trimEnd() : stdout;
        if (text === undefined) {
          throw refusal(
            "the answer to the first contact isn't signed with the key that this connection was pinned to: something else on the new " +
              "host answered. Replace the machine: docs/troubleshooting.md",
            contact,
          );
        }
        return checkHostKey(text);
      });
    this.registerOutputs({ hostKey: this.hostKey });
  }

  /** True if the first contact of this name was with a machine that the release before had set up. */
  static isOld(name: string, { commands }: Before): boolean {
    return commands.get(`${name}-key`)?.create === unsignedContact;
  }
}

/** @throws Error if the host's answer is not an Ed25519 public key */
function checkHostKey(answer: string): string {
  if (!/^ssh-ed25519 [A-Za-z0-9+/]{68}$/.test(answer)) {
    throw new Error("the host's answer to the first contact is not an Ed25519 host key");
  }
  return answer;
}
