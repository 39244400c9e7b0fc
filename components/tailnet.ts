import * as path from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";
import type { TailnetSettings } from "../lib/config";
import { sha256 } from "../lib/sha256";
import { type CurrentPolicy, judgePolicy, type Member, policyRefusal, policyText } from "../lib/tailnetPolicy";
import { shellWord } from "../lib/shell";
import type { TailnetHost } from "./layers/tailnet";

/** What the stack makes of its tailnet. */
export interface TailnetArgs {
  /** The hosts that belong to it. */
  readonly members: readonly Member[];
  /** Replace a policy that is not this stack's. */
  readonly overwriteAcl: boolean;
}

/** The stack's tailnet: its policy file, which this stack owns as a whole, and names for its devices (MagicDNS). */
export class Tailnet extends pulumi.ComponentResource {
  /** Must be there before an auth key can have the hosts' tags. */
  readonly policy: tailscale.Acl;

  private constructor(name: string, guard: PolicyGuard, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Tailnet", name, {}, opts);
    this.policy = new tailscale.Acl(
      guard.name,
      { acl: guard.wanted, overwriteExistingContent: guard.mayOverwrite },
      {
        parent: this,
        // It only matters when the resource is made.
        ignoreChanges: ["overwriteExistingContent"],
        // As `pulumi import` makes it.
        aliases: [{ parent: pulumi.rootStackResource }],
      },
    );
    // A preview that makes the policy doesn't ask. Who is past that has one, which must be the stack's now, not a new tailnet's.
    const settled = tailscale.getAclOutput({ parent: this, dependsOn: [this.policy] }).apply((current) => {
      guard.check(current, []);
    });
    new tailscale.DnsPreferences(
      `${name}-dns`,
      { magicDns: true },
      // Others on the tailnet may use the names, too.
      { parent: this, retainOnDelete: true },
    );
    this.registerOutputs({ policy: settled.apply(() => this.policy.id) });
  }

  /**
   * Looks at the policy in force before anything is declared.
   *
   * @throws RunError if that is not this stack's, with what it is and every way out
   */
  static async make(name: string, args: TailnetArgs, opts?: pulumi.ComponentResourceOptions): Promise<Tailnet> {
    const guard = new PolicyGuard(`${name}-acl`, args);
    guard.check(await tailscale.getAcl(), ["new"]);
    return new Tailnet(name, guard, opts);
  }
}

/** Keeps the stack from taking somebody else's policy away. */
class PolicyGuard {
  readonly wanted: string;
  /** A policy that this stack left behind is its own; Tailscale itself keeps any other but a new tailnet's. */
  mayOverwrite: boolean;

  constructor(
    /** The policy's name as a resource. */
    readonly name: string,
    private readonly args: TailnetArgs,
  ) {
    this.wanted = policyText(pulumi.getStack(), args.members);
    this.mayOverwrite = args.overwriteAcl;
  }

  /** @throws RunError unless the policy is the stack's, or one of `others`, or may be overwritten */
  check(current: CurrentPolicy, others: readonly "new"[]): void {
    const verdict = judgePolicy(current, this.wanted, pulumi.getStack());
    if (verdict === "same" || verdict === "own") {
      this.mayOverwrite = true;
    } else if (!this.args.overwriteAcl && !others.some((other) => other === verdict)) {
      const refusal = new pulumi.RunError(policyRefusal(verdict, current, this.wanted, this.name));
      // Nobody sees it, and Node.js 20 takes a minute to colour a frame such as node_modules/@pulumi/invoke.ts.
      delete refusal.stack;
      throw refusal;
    }
  }
}

/** Seconds in which a new host must join: `pulumi up` is at it. */
const keyExpiry = 3600;

/** A host's way into the tailnet, and its place there. */
export interface Membership {
  /** The auth key. Secret. */
  readonly authKey: pulumi.Output<string>;
  readonly host: pulumi.Output<TailnetHost>;
}

/** What a host needs to become a member. */
export interface JoinArgs {
  readonly tailnet: TailnetSettings;
  /** Another machine gets another key. */
  readonly machineId: pulumi.Input<string>;
  /** What must be there before a key can have the host's tags; `undefined` if the policy isn't the stack's. */
  readonly policy: pulumi.Resource | undefined;
}

/**
 * Makes the key by which a host joins: it works once, within the hour, and gives the host its tags. A used or expired one is
 * nothing to mend; another machine or other tags get another key.
 */
export function join(
  host: string,
  { tailnet, machineId, policy }: JoinArgs,
  opts: pulumi.CustomResourceOptions,
): Membership {
  const { tags, https, loginServer } = tailnet;
  const key = new tailscale.TailnetKey(
    `${host}-tailnet-key`,
    {
      reusable: false,
      ephemeral: false,
      preauthorized: true,
      recreateIfInvalid: "never",
      tags: [...tags],
      expiry: keyExpiry,
      // At most 50 characters. A change of it replaces the key.
      description: pulumi.output(machineId).apply((id) => `monoclaw ${host} ${sha256(id).slice(0, 8)}`),
    },
    { ...opts, dependsOn: policy === undefined ? [] : [policy] },
  );
  const place = key.urn.apply((urn) => ({
    hostname: host,
    tags,
    https,
    loginServer,
    newKey: `pulumi up --replace '${urn}'`,
  }));
  return { authKey: pulumi.secret(key.key), host: place };
}

/** The program that removes a device, as a shell takes it in the folder that the engine works in. */
const removeDevice = shellWord(path.relative(process.cwd(), path.join(__dirname, "../lib/removeDevice.ts")));

/** A host's device on the tailnet. */
export interface DeviceArgs {
  /** Where its dashboard is served: `https://NAME`. */
  readonly origin: pulumi.Input<string>;
  /** Its first tag. */
  readonly tag: string;
  /** Another machine is another device. */
  readonly machineId: pulumi.Input<string>;
}

/**
 * Nothing when it is made; when it goes, the host's device is removed from the tailnet by Tailscale's API, from here: a host that
 * logs out leaves an expired device behind, and one that is dead doesn't even do that. The provider has no resource for it.
 */
export function removal(name: string, { origin, tag, machineId }: DeviceArgs, opts: pulumi.CustomResourceOptions) {
  return new command.local.Command(
    name,
    {
      delete: `node --require tsx/cjs ${removeDevice}`,
      environment: {
        MONOCLAW_DEVICE: pulumi.output(origin).apply((url) => new URL(url).hostname),
        MONOCLAW_TAG: tag,
        ...credentials(),
      },
      triggers: [machineId],
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}

/** The provider's settings as its variables; those that are variables already will be there. */
function credentials(): Record<string, pulumi.Output<string>> {
  const config = new pulumi.Config("tailscale");
  const settings = {
    TAILSCALE_BASE_URL: config.getSecret("baseUrl"),
    TAILSCALE_TAILNET: config.getSecret("tailnet"),
    TAILSCALE_API_KEY: config.getSecret("apiKey"),
    TAILSCALE_OAUTH_CLIENT_ID: config.getSecret("oauthClientId"),
    TAILSCALE_OAUTH_CLIENT_SECRET: config.getSecret("oauthClientSecret"),
  };
  const set = Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  return Object.fromEntries(set);
}
