import { gatewayPort } from "../openclawSettings";
import { hostKeyOf, ownPublicKey, privateKey, publicKey, sha256 } from "./files";
import {
  address,
  anyText,
  choice,
  flag,
  integer,
  key,
  list,
  map,
  memory,
  network,
  optional,
  port,
  type Shape,
  text,
  url,
} from "./key";

// Every key of the configuration, once: what the program reads, docs/configuration.md lists and docs/stack.schema.json offers.

/** Ports that something else on the host uses, or that scanners try first. */
const taken: readonly (readonly [number, string])[] = [
  [22, "is where scanners look first (docs/requirements.md, SSH: port)"],
  [80, "is HTTP's, which stays closed"],
  [443, "is the dashboard's"],
  [gatewayPort, "is the gateway's"],
];

/** What a host may be called: it is a name on the tailnet, and at Hetzner. */
export const hostName = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;
/** What is wrong with another name. */
export const hostNameReason = "a host's name is 1 to 32 of a-z, 0-9 and - , as in a DNS name";

const name = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** What to rent at Hetzner Cloud, by Hetzner's names. */
export const server = {
  type: key(text("Hetzner's name", /^[a-z]{2,5}\d{2}$/, "a server type such as cx23"), {
    fallback: "cx23",
    what: "2 cores, 4 GB: the gateway takes about 740 MiB, its limit is 2 GiB",
  }),
  image: key(choice("debian-13", "debian-12"), {
    fallback: "debian-13",
    what: "read at creation; a change replaces the server",
  }),
  location: key(text("Hetzner's name", /^[a-z]{3}\d?$/, "a location such as nbg1"), {
    fallback: "nbg1",
    what: "a change replaces the server and its address",
  }),
  backups: key(flag, {
    fallback: false,
    what: "Hetzner's daily backups, which cost a fifth of the server's price",
  }),
} satisfies Shape;

/** How to reach an existing machine the first time; afterwards the stack has a key and a port of its own. */
export const existing = {
  address: key(address(name, "must be the machine's IP address or DNS name"), {
    fallback: "",
    fallbackWords: "must be set",
    missing: "must be the machine's IP address or DNS name",
    what: "of the machine; with a changed one and the same `hostKey` it is the same machine",
    example: "203.0.113.7",
  }),
  port: key(port(), { fallback: 22, what: "where its sshd listens before the first `up`" }),
  user: key(text("text", /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, "a user name"), {
    fallback: "root",
    what: "who logs in there for the first `up`: root, or an account with sudo without a password; not the `primaryUser`",
  }),
  privateKey: optional(
    anyText(
      "secret, or path",
      "must be a private key, or the path of its file; without it the SSH agent is asked",
      privateKey,
    ),
    {
      isSecret: true,
      what:
        "that account's key without a passphrase, always with `--secret`, or the path of its file. " +
        "Best not set: then your SSH agent signs, and no key lies in the state",
    },
  ),
  hostKey: optional(anyText("text", "must be a line 'ssh-ed25519 AAAA…'"), {
    example: hostKeyOf("ADDRESS"),
    fallbackWords: "must be set",
    what: "`ssh-ed25519 AAAA…`, from the provider's console; anything else that answers is refused",
  }),
  trustOnFirstUse: key(flag, {
    fallback: false,
    what: "instead of `hostKey`: takes the key that answers first, and no other from then on",
  }),
} satisfies Shape;

/** The tailnet that a host belongs to, and who may open its dashboard there. */
export const tailnet = {
  enabled: key(flag, {
    fallback: true,
    what: "`false`: the host leaves the tailnet, and an SSH tunnel leads to the dashboard",
  }),
  tags: key(
    list(
      text("tag", /^tag:[a-z][a-z0-9-]{0,49}$/i, "a tag such as tag:monoclaw"),
      "must be a list of at least one tag such as tag:monoclaw",
      1,
    ),
    {
      fallback: ["tag:monoclaw"],
      example: "tag:monoclaw",
      what: "the host's tags; the policy's grant is for the first one, so hosts that share it share their users",
    },
  ),
  users: key(
    list(
      // Roles of the tailnet's own people, a login name, or a group of the identity provider; never everybody, devices or strangers.
      text(
        "login, group or role",
        /^(?:autogroup:(?:owner|admin|it-admin|network-admin|billing-admin|auditor|member)|(?:group:)?[^\s@":,*]+@[a-z0-9.-]+)$/i,
        "a login such as alice@example.com, a group such as group:ops@example.com, or a role such as autogroup:admin",
      ),
      "must be a list of at least one login, group or role, such as autogroup:admin",
      1,
    ),
    {
      // Both, because Tailscale's owner is a role of its own.
      fallback: ["autogroup:owner", "autogroup:admin"],
      fallbackWords: "owner and admins",
      example: "autogroup:admin",
      what:
        "who may open the dashboard: logins (`alice@example.com`), the identity provider's groups (`group:ops@example.com`), " +
        "roles (`autogroup:member`)",
    },
  ),
  acl: key(choice("manage", "leave"), {
    fallback: "manage",
    what: "the stack owns the tailnet's whole policy file, or you do; see [tailnet.md](tailnet.md). One value for all hosts",
  }),
  overwriteAcl: key(flag, {
    fallback: false,
    what: "replace a policy that is not this stack's: what was there is lost. One value for all hosts",
  }),
  https: optional(flag, {
    fallbackWords: "`true`",
    example: "true",
    what:
      "HTTPS with a certificate from Tailscale's service. With a `loginServer` of your own the default is `false`: " +
      "HTTP, within WireGuard",
  }),
  sshOnly: key(flag, {
    fallback: false,
    what:
      "SSH comes in over the tailnet alone, and no port is open to the Internet; in two steps, " +
      "see [tailnet.md](tailnet.md#ssh-over-the-tailnet-alone)",
  }),
  previousSshOnly: optional(flag, {
    what: "the other value, during a change of `sshOnly`: both ways are open as long as it is set",
  }),
  address: optional(
    address(name, "must be an IP address or a DNS name, by which this machine reaches the host on the tailnet"),
    {
      fallbackWords: "the host's name",
      what: "where this machine reaches the host on the tailnet, with `sshOnly`: its MagicDNS name, or an IP address",
    },
  ),
  loginServer: optional(
    url(/^https?:\/\/[^\s/?#@]+\/?$/, "must be the URL of a control server, such as https://headscale.example.com"),
    { what: "a control server other than Tailscale's; the provider needs its API at `tailscale:baseUrl`" },
  ),
  archive: {
    baseUrl: optional(url(/^https?:\/\/[^\s?#@]+$/, "must be the URL of the folder that holds Tailscale's archives"), {
      fallbackWords: "Tailscale's own",
      what: "where hosts get Tailscale: a folder with its static archives, named as the official ones",
    }),
    sha256: {
      amd64: optional(archiveHash(), {
        fallbackWords: "Tailscale's own",
        what: "of the archive of the pinned version, in 64 hex digits, or the path of a file that holds it",
      }),
      arm64: optional(archiveHash(), { fallbackWords: "Tailscale's own", what: "the same for arm64" }),
    },
  },
} satisfies Shape;

function archiveHash() {
  return anyText(
    "SHA-256, or path",
    "must be a SHA-256 in 64 hex digits, or the path of a file that holds one",
    sha256,
  );
}

/** What decides which resources a host has: known before anything is made. */
export const structure = {
  target: key(choice("hcloud", "existing"), {
    fallback: "hcloud",
    what: "rent a server at Hetzner Cloud, or harden a machine that you have. See [existing.md](existing.md)",
  }),
  primaryUser: key(
    text("text", /^[a-z][a-z0-9_-]{0,31}$/, "a user name: 1 to 32 of a-z, 0-9, - and _, starting with a letter"),
    { fallback: "ops", what: "the one account that may log in; can't be changed on an existing host" },
  ),
  sshPort: key(port(new Map(taken)), {
    fallback: 22_022,
    what: "of SSH: not 22, where scanners look first; not 80, 443 or 18789. See [change-ssh-port.md](change-ssh-port.md)",
  }),
  previousSshPort: optional(port(new Map(taken.filter(([number]) => number !== 22))), {
    what: "the port before a change of `sshPort`, for the time of the change; 22 is fine here",
  }),
} satisfies Shape;

/** What the resources of a host hold. */
export const content = {
  authorizedKeys: key(
    list(
      anyText("public key", "must be a public key line, or the path of a .pub file", publicKey),
      "must list at least one SSH public key: without one nobody could log in",
      1,
    ),
    {
      fallback: [],
      fallbackWords: "must be set",
      missing: "must list at least one SSH public key: without one nobody could log in",
      example: ownPublicKey,
      what: "public key lines or paths of `.pub` files (from the project's folder, or `~/`): Ed25519, or RSA of 4096 bits or more",
    },
  ),
  limits: {
    memoryMax: key(memory(1024, "is too little: the gateway alone takes about 740 MiB, give it 1G or more"), {
      fallback: "2G",
      what: "`MemoryMax=` of the service, from 1G; Node.js's heap gets 60 % of it",
    }),
    tasksMax: key(integer(50, 4096), { fallback: 100, what: "`TasksMax=` of the service" }),
  },
  fail2ban: {
    maxretry: key(integer(1, 20), { fallback: 5, what: "failed logins from one address before it is banned" }),
    findtime: key(integer(60, 86_400), { fallback: 600, what: "seconds in which they count" }),
    bantime: key(integer(60, 31_536_000), { fallback: 3600, what: "seconds that a ban lasts" }),
    ignoreip: key(list(network, "must be a list of addresses or networks", 0), {
      fallback: [],
      what: "addresses or networks (`198.51.100.0/24`) that are never banned: your own, if it doesn't change",
    }),
  },
  updates: {
    reboot: key(choice("none", "automatic"), {
      fallback: "none",
      what: "what to do when an update wants a reboot: only say so in `monoclaw-status`, or reboot",
    }),
    rebootTime: key(text("`HH:MM`", /^([01]\d|2[0-3]):[0-5]\d$/, "a time such as 04:30"), {
      fallback: "04:30",
      what: "when, by the host's clock, if `automatic`",
    }),
  },
  kernel: key(choice("hardened", "leave"), {
    fallback: "hardened",
    what: "what is set beyond the requirements, in the kernel and around it; see [kernel.md](kernel.md)",
  }),
  openclaw: {
    settings: key(map, {
      fallback: {},
      what: "merged into openclaw.json. No secrets: previews show it. See [openclaw-settings.md](openclaw-settings.md)",
    }),
    registry: optional(url(/^https?:/i, "must be the URL of an npm registry"), {
      what: "npm registry that hosts install from; if not set, the one of the operator's npm",
    }),
  },
  server,
} satisfies Shape;

/** What each host can set for itself. */
export const host = { ...structure, ...content, existing, tailnet } satisfies Shape;

/** What only the whole stack can set, beside `hosts`. */
export const stack = {
  serial: key(integer(1, 999_999_999_999_999), {
    fallback: 1,
    what:
      "the last resort: the lowest serial of every envelope, if a host has got a higher one from a wrong clock; " +
      "see [signed-layers.md](signed-layers.md#going-back)",
  }),
} satisfies Shape;
