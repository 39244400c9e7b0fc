import { sshKeyPair } from "../../lib/keys";

const { publicKey, privateKey } = sshKeyPair("01".repeat(32), "me@laptop");
const second = sshKeyPair("02".repeat(32), "me@phone").publicKey;
const hostKey = sshKeyPair("03".repeat(32), "").publicKey.split(" ").slice(0, 2).join(" ");
const rented = {
  authorizedKeys: [publicKey, `  ${second}\n`],
  primaryUser: "alice",
  sshPort: 2222,
  previousSshPort: 22,
  serial: 1_790_000_000_000,
  generation: 3,
  server: { type: "cpx32", image: "debian-12", location: "hel1", backups: true },
  limits: { memoryMax: "1536M", tasksMax: 200 },
  fail2ban: { maxretry: 4, findtime: 300, bantime: 86_400, ignoreip: ["198.51.100.0/24", "2001:db8::7"] },
  updates: { reboot: "automatic", rebootTime: "23:59" },
  kernel: "leave",
  openclaw: {
    settings: { agents: { defaults: { model: "x" } }, gateway: { controlUi: { enabled: true } } },
    registry: "https://npm.example.com/a",
  },
  tailnet: {
    enabled: true,
    tags: ["tag:home", "tag:home", "tag:other"],
    users: ["alice@example.com", "group:ops@example.com", "autogroup:member"],
    acl: "leave",
    overwriteAcl: true,
    https: true,
    sshOnly: true,
    previousSshOnly: false,
    address: "home.tail1234.ts.net",
    loginServer: "https://headscale.example.com/",
    archive: { baseUrl: "https://example.com/ts", sha256: { amd64: "ab".repeat(32), arm64: "cd".repeat(32) } },
  },
};

/** Configurations that set every key, alone and by host. */
export const samples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  defaults: { authorizedKeys: [publicKey] },
  "every key of a server to rent": rented,
  "every key of an existing machine": {
    authorizedKeys: [publicKey],
    target: "existing",
    existing: { address: "203.0.113.7", port: 2200, user: "debian", privateKey, hostKey: `${hostKey} root@x` },
  },
  "an existing machine that is trusted on first use": {
    authorizedKeys: [publicKey],
    target: "existing",
    existing: { address: "vps.example.com", trustOnFirstUse: true },
    tailnet: { enabled: false },
  },
  "a host's own values before the stack's": {
    ...rented,
    tailnet: { users: ["alice@example.com"], loginServer: "https://headscale.example.com" },
    existing: { address: "203.0.113.7", user: "admin" },
    hosts: {
      home: {
        server: { type: "cx33" },
        tailnet: { users: ["bob@example.com"], tags: ["tag:bob"] },
        kernel: "hardened",
      },
      work: {
        target: "existing",
        existing: { hostKey, user: "root" },
        sshPort: 2223,
        fail2ban: { maxretry: 3 },
        openclaw: { settings: {} },
        updates: { reboot: "none" },
        authorizedKeys: [second],
      },
      away: null,
    },
  },
};

/** Configurations that are wrong in every key. */
export const wrong: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "nothing at all": {},
  "each key of a server to rent": {
    authorizedKeys: [7, "x", "missing.pub", publicKey.slice(0, 40)],
    primaryUser: "Root",
    sshPort: "22022",
    previousSshPort: 443,
    serial: 0,
    target: "aws",
    kernel: "soft",
    server: { type: "huge", image: "debian-11", location: "mars", backups: "yes", size: 1 },
    limits: { memoryMax: "512M", tasksMax: 7 },
    fail2ban: { maxretry: 0, findtime: 1, bantime: 1.5, ignoreip: ["10.0.0.0/33", "localhost", 7] },
    updates: { reboot: "maybe", rebootTime: "24:00" },
    openclaw: { settings: { gateway: { bind: "lan" } }, registry: "npm" },
    tailnet: {
      enabled: "on",
      tags: [],
      users: ["*"],
      acl: "own",
      overwriteAcl: 1,
      https: "no",
      sshOnly: "yes",
      previousSshOnly: false,
      address: "a b",
      loginServer: "headscale.example.com",
      archive: { baseUrl: "ftp://x", sha256: { amd64: "nowhere", arm64: 7, riscv: "x" }, version: "1" },
    },
    sshprot: 22,
  },
  "each key of an existing machine": {
    authorizedKeys: "x",
    target: "existing",
    existing: {
      address: "256.1.1",
      port: 0,
      user: "no way",
      privateKey: "none",
      hostKey: "ssh-rsa A",
      trustOnFirstUse: 1,
    },
    server: { type: "cx23" },
  },
  "maps that are none": {
    authorizedKeys: {},
    server: [],
    limits: 7,
    fail2ban: { ignoreip: "10.0.0.1" },
    openclaw: { settings: ["x"] },
    tailnet: { archive: "x", users: "x" },
    hosts: { B_: {}, a: 7 },
  },
  "by host": {
    authorizedKeys: [publicKey],
    limits: { tasksMax: 7 },
    hosts: {
      a: { limits: { tasksMax: 8 }, sshPort: 22, previousSshPort: 2222, primaryUser: "root" },
      b: { limits: { memoryMax: "1K" }, fail2ban: { maxtry: 1 }, serial: 2, existing: { port: 1 } },
      c: { target: "existing", existing: { user: "ops" } },
    },
  },
};
