import { canonicalHujson } from "./hujson";
import { lineDiff } from "./lineDiff";
import type { HostSettings, TailnetSettings } from "./config/settings";
import { sha256 } from "./sha256";
import { portsBy, sshWays } from "./sshWays";

/** What the policy takes from a host's settings. */
export interface Member extends Pick<TailnetSettings, "tags" | "users" | "https"> {
  /** TCP ports of sshd that are open to the tailnet, if any. */
  readonly sshPorts: readonly number[];
}

/** What the policy takes from this host. */
export function memberOf(host: HostSettings): Member {
  return { ...host.tailnet, sshPorts: portsBy("tailnet", sshWays(host)) };
}

/** The first line of a policy that a stack wrote: whose it is, and what it was then. */
const marker = /^\/\/ monoclaw stack=(\S+) sha256=([0-9a-f]{64})[ \t]*\n/m;
/** What nobody on the tailnet gets, unless it is granted: the gateway stays on loopback, and sshd on its port. */
const closedPorts = [22, 80, 443, 18789];
const roles = ["autogroup:owner", "autogroup:admin"];

/** TCP port on which a host serves its dashboard to the tailnet. */
export function dashboardPort({ https }: Pick<TailnetSettings, "https">): 443 | 80 {
  return https ? 443 : 80;
}

/** What its users may reach of a host: the dashboard, and SSH where that comes in over the tailnet. */
function openPorts(member: Member): number[] {
  return [dashboardPort(member), ...member.sshPorts];
}

/** The policy file of a tailnet, in HuJSON: the users reach their hosts' dashboards, and nobody reaches anything else. */
export function policyText(stack: string, members: readonly Member[]): string {
  const tags = unique(members.flatMap((member) => member.tags));
  const grants = unique(
    members.map((member) =>
      json({
        src: member.users,
        dst: member.tags.slice(0, 1),
        ip: openPorts(member).map((port) => `tcp:${String(port)}`),
      }),
    ),
  );
  const ssh = members.some(({ sshPorts }) => sshPorts.length > 0);
  const text = `// The Pulumi stack ${stack} of monoclaw made this: set its monoclaw:tailnet, for what is changed here stops its next pulumi up.
{
  // The stack's auth keys give these tags to its hosts.
  "tagOwners": {
${tags.map((tag) => `    ${json(tag)}: ${json(roles)},`).join("\n")}
  },
  // ${ssh ? "Who may open the dashboard and connect to sshd" : "Who may open the dashboard"}. Nobody may do anything else.
  "grants": [
${grants.map((grant) => `    ${grant},`).join("\n")}
  ],
  // Without these no policy is taken, so nobody is locked out or let in further by mistake.
  "tests": [
${tests(members, tags)
  .map((test) => `    ${json(test)},`)
  .join("\n")}
  ],
}
`;
  return `// monoclaw stack=${stack} sha256=${digest(stack, text)}\n${text}`;
}

/** For each login what it reaches of each tag, and that the hosts reach nothing. Tailscale tests no roles and no groups. */
function tests(members: readonly Member[], tags: readonly string[]): object[] {
  const ports = unique([...closedPorts, ...members.flatMap(({ sshPorts }) => sshPorts)]);
  const addresses = tags.flatMap((tag) => ports.map((port) => `${tag}:${String(port)}`));
  const logins = unique(members.flatMap(({ users }) => users)).filter((user) => !/^(autogroup|group):/.test(user));
  const entries = logins.map((src) => {
    const open = members
      .filter(({ users }) => users.includes(src))
      .flatMap((member) => openPorts(member).map((port) => `${member.tags[0] ?? ""}:${String(port)}`));
    return { src, accept: unique(open), deny: addresses.filter((address) => !open.includes(address)) };
  });
  return [...entries, ...tags.map((src) => ({ src, deny: addresses }))];
}

/** The policy in force, as the provider's `getAcl` reads it. */
export interface CurrentPolicy {
  readonly hujson: string;
  /** The same without comments. */
  readonly json: string;
}

/**
 * Whose the policy in force is. `same`: what the stack wants. `own`: what this stack wrote earlier. `new`: that of a new tailnet.
 * `edited`: this stack's, but somebody changed it. `foreign`: anything else.
 */
export type Verdict = "same" | "own" | "new" | "edited" | "foreign";

/** Compares the policy in force with the one that the stack wants. */
export function judgePolicy(current: CurrentPolicy, wanted: string, stack: string): Verdict {
  if (canonicalHujson(current.hujson) === canonicalHujson(wanted)) {
    return "same";
  }
  const [line, owner, found] = marker.exec(current.hujson) ?? [];
  if (line === undefined) {
    return isNew(current.json) ? "new" : "foreign";
  }
  if (owner !== stack) {
    return "foreign";
  }
  return found === digest(stack, current.hujson.replace(line, "")) ? "own" : "edited";
}

/** Everybody may reach everything, and at most what Tailscale gives a new tailnet beside that. */
function isNew(policy: string): boolean {
  const parts = JSON.parse(policy) as Readonly<Record<string, unknown>>;
  const everything = [
    '{"grants":[{"src":["*"],"dst":["*"],"ip":["*"]}]}',
    '{"acls":[{"action":"accept","src":["*"],"dst":["*:*"]}]}',
    '{"acls":[{"action":"accept","users":["*"],"ports":["*:*"]}]}',
  ];
  const rules = Object.entries(parts).filter(([key]) => key !== "ssh" && key !== "nodeAttrs");
  return everything.includes(JSON.stringify(Object.fromEntries(rules)));
}

/** What to tell somebody whose policy would be lost: what it is, and every way out. */
export function policyRefusal(
  verdict: "edited" | "foreign" | "new",
  current: CurrentPolicy,
  wanted: string,
  resource: string,
): string {
  const owner = marker.exec(current.hujson)?.[1];
  const told = {
    edited: "was changed past this stack, and `pulumi up` would undo that",
    new: "was reset past this stack: now everybody may reach everything",
    foreign:
      owner === undefined
        ? "is not this stack's, and would be lost"
        : `belongs to the stack ${owner}, and would be lost`,
  };
  const set = (key: string, value: string) => `pulumi config set --path 'monoclaw:tailnet.${key}' ${value}`;
  const show =
    verdict === "foreign"
      ? [
          "To see beforehand what would change, import it, set overwriteAcl as below, and look at pulumi preview --diff:",
          `    pulumi import --generate-code=false tailscale:index/acl:Acl ${resource} acl`,
        ]
      : [];
  return [
    `The tailnet's policy ${told[verdict]}; nothing was changed. What stands there (-) and what the stack wants (+):`,
    ...lineDiff(current.hujson, wanted).map((line) => `    ${line}`),
    "To keep it, and look after it yourself from now on:",
    `    ${set("acl", "leave")}`,
    ...show,
    "To put the stack's in its place:",
    `    ${set("overwriteAcl", "true")} && pulumi up --refresh && ${set("overwriteAcl", "false")}`,
  ].join("\n");
}

function digest(stack: string, text: string): string {
  return sha256(`${stack}\n${canonicalHujson(text)}`);
}

/** JSON on one line, with the spaces that a person would put. */
function json(value: unknown): string {
  return JSON.stringify(value, undefined, 1)
    .replace(/\n\s*/g, " ")
    .replace(/([[{]) /g, "$1")
    .replace(/ ([\]}])/g, "$1");
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
