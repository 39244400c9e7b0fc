import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { ConfigError, type Mistake, parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";
import { credentialsProblem } from "../../lib/tailscaleCredentials";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "monoclaw-tailnet-"));
after(() => {
  fs.rmSync(folder, { recursive: true });
});
const authorizedKeys = [sshKeyPair("01".repeat(32), "me@laptop").publicKey];
const hash = "ab".repeat(32);

function tailnet(group: unknown) {
  return parseConfig({ authorizedKeys, tailnet: group }, folder).hosts.get("gateway")?.tailnet;
}

function mistakes(raw: Record<string, unknown>, tailscale?: string): readonly Mistake[] {
  try {
    parseConfig({ authorizedKeys, ...raw }, folder, { tailscale });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.mistakes;
  }
  return [];
}

void test("a host is on the tailnet unless told otherwise, its dashboard for the tailnet's administrators alone", () => {
  assert.deepEqual(tailnet(undefined), {
    enabled: true,
    tags: ["tag:monoclaw"],
    users: ["autogroup:owner", "autogroup:admin"],
    acl: "manage",
    overwriteAcl: false,
    https: true,
    sshOnly: false,
    previousSshOnly: undefined,
    address: undefined,
    loginServer: undefined,
    archive: {
      baseUrl: "https://pkgs.tailscale.com/stable/",
      sha256: {
        amd64: "e6c08a8ee7e63e69aaf1b62ecd12672b3883fbcd2a176bf6cfa42a15fdce0b6b",
        arm64: "3cb068eb1368b6bb218d0ef0aa0a7a679a7156b7c979e2279cc2c2321b5f05c7",
      },
    },
  });
});

void test("another control server has no certificates for HTTPS, unless told so", () => {
  const loginServer = "https://headscale.example.com";
  assert.equal(tailnet({ loginServer })?.https, false);
  assert.equal(tailnet({ loginServer, https: true })?.https, true);
  assert.equal(tailnet({ loginServer: `${loginServer}/` })?.loginServer, loginServer);
});

void test("an archive of your own, its hash given or in a file", () => {
  fs.writeFileSync(path.join(folder, "archive.sha256"), `${hash}  tailscale.tgz\n`);
  const archive = tailnet({
    archive: { baseUrl: "http://192.0.2.1/ts", sha256: { amd64: "archive.sha256", arm64: hash } },
  });
  assert.deepEqual(archive?.archive, {
    baseUrl: "http://192.0.2.1/ts/",
    sha256: { amd64: hash, arm64: hash },
  });
});

void test("every mistake at once, each with its place, its reason and a command", () => {
  fs.writeFileSync(path.join(folder, "empty"), "\n");
  const found = mistakes({
    tailnet: {
      enabled: "yes",
      tags: ["monoclaw"],
      users: ["*", "tag:laptop", "alice@example.com", "autogroup:shared", "autogroup:tagged", 'eve"@example.com'],
      acl: "own",
      overwriteAcl: 1,
      https: "no",
      loginServer: "headscale.example.com",
      archive: { baseUrl: "ftp://x", sha256: { amd64: "nowhere", riscv: hash }, url: "x" },
      sshOnly: "yes",
    },
  });
  assert.deepEqual(found.map(({ key }) => key).sort(), [
    "tailnet.acl",
    "tailnet.archive.baseUrl",
    "tailnet.archive.sha256.amd64",
    "tailnet.archive.sha256.riscv",
    "tailnet.archive.url",
    "tailnet.enabled",
    "tailnet.https",
    "tailnet.loginServer",
    "tailnet.overwriteAcl",
    "tailnet.sshOnly",
    "tailnet.tags[0]",
    ...[0, 1, 3, 4, 5].map((index) => `tailnet.users[${String(index)}]`),
  ]);
  assert.ok(found.every(({ reason, fix }) => reason !== "" && fix.startsWith("pulumi config ")));
  assert.deepEqual(
    mistakes({ tailnet: { users: [], tags: "tag:x", archive: { sha256: { amd64: "nowhere", arm64: "empty" } } } }).map(
      ({ key, fix }) => `${key}: ${fix}`,
    ),
    [
      "tailnet.tags: pulumi config set --path 'monoclaw:tailnet.tags[0]' tag:monoclaw",
      "tailnet.users: pulumi config set --path 'monoclaw:tailnet.users[0]' autogroup:admin",
      "tailnet.archive.sha256.amd64: pulumi config rm --path 'monoclaw:tailnet.archive.sha256.amd64'",
      "tailnet.archive.sha256.arm64: pulumi config rm --path 'monoclaw:tailnet.archive.sha256.arm64'",
    ],
  );
});

void test("hosts of one stack share the policy: its mode is the stack's, and one tag has one group of users", () => {
  const hosts = {
    home: { tailnet: { acl: "leave" } },
    away: { tailnet: { users: ["alice@example.com"] } },
    off: { tailnet: { enabled: false, acl: "leave", overwriteAcl: true, users: ["bob@example.com"] } },
  };
  assert.deepEqual(
    mistakes({ hosts }).map(({ key, fix }) => `${key}: ${fix}`),
    [
      "hosts.away.tailnet.acl: pulumi config rm --path 'monoclaw:hosts.away.tailnet.acl'",
      "hosts.away.tailnet.tags[0]: pulumi config set --path 'monoclaw:hosts.away.tailnet.tags[0]' tag:away",
    ],
  );
  const own = { ...hosts, home: {}, away: { tailnet: { users: ["alice@example.com"], tags: ["tag:away"] } } };
  assert.deepEqual(mistakes({ hosts: own }), []);
});

void test("missing credentials are a mistake with three ways out, unless the tailnet is off", () => {
  const problem = credentialsProblem({}, {});
  const [mistake, ...others] = mistakes({}, problem);
  assert.deepEqual(others, []);
  assert.equal(mistake?.key, "tailnet.enabled");
  assert.match(mistake.reason, /credentials for Tailscale's API, and there are none/);
  assert.match(mistake.fix, /^pulumi config set --secret tailscale:apiKey/);
  assert.match(mistake.fix, /scopes auth_keys, devices:core, policy_file, dns/);
  assert.match(mistake.fix, /tailscale:oauthClientId ID && pulumi config set --secret tailscale:oauthClientSecret/);
  assert.match(mistake.fix, /pulumi config set --path 'monoclaw:tailnet\.enabled' false$/);
  assert.deepEqual(mistakes({ tailnet: { enabled: false } }, problem), []);
  assert.deepEqual(
    mistakes({ hosts: { a: {}, b: { tailnet: { enabled: false } } } }, problem).map(({ key }) => key),
    ["tailnet.enabled"],
  );
});

void test("credentials are an API key or both halves of a client, in the configuration or the environment", () => {
  const key = "tailscale:apiKey";
  const [id, secret] = ["tailscale:oauthClientId", "tailscale:oauthClientSecret"];
  assert.equal(credentialsProblem({ [key]: "k" }, {}), undefined);
  assert.equal(credentialsProblem({}, { TAILSCALE_API_KEY: "k" }), undefined);
  assert.equal(credentialsProblem({ [id]: "i", [secret]: "s" }, {}), undefined);
  assert.equal(credentialsProblem({ [id]: "i" }, { TAILSCALE_OAUTH_CLIENT_SECRET: "s" }), undefined);
  assert.equal(credentialsProblem({ [id]: "i", "tailscale:identityToken": "t" }, {}), undefined);
  assert.match(credentialsProblem({ [id]: "i" }, {}) ?? "", /tailscale:oauthClientSecret is missing/);
  assert.match(credentialsProblem({ [secret]: "s" }, {}) ?? "", /tailscale:oauthClientId is missing/);
  assert.match(credentialsProblem({ [key]: "k", [id]: "i" }, {}) ?? "", /one way .* there are two/);
  assert.match(credentialsProblem({ [key]: "" }, {}) ?? "", /there are none/);
});

void test("SSH over the tailnet alone: a step between keeps both ways, and nothing that would lock somebody out is taken", () => {
  const given = tailnet({ sshOnly: true, previousSshOnly: false, address: "gateway.tail1234.ts.net" });
  assert.deepEqual([given?.sshOnly, given?.previousSshOnly, given?.address], [true, false, "gateway.tail1234.ts.net"]);
  assert.equal(tailnet({ sshOnly: true, address: "100.64.0.7" })?.address, "100.64.0.7");
  const found = (group: unknown) => mistakes({ tailnet: group }).map(({ key, reason, fix }) => [key, reason, fix]);
  assert.deepEqual(found({ sshOnly: true, previousSshOnly: true }), [
    [
      "tailnet.previousSshOnly",
      "is the same as sshOnly; it is only for the time of a change",
      "pulumi config rm --path 'monoclaw:tailnet.previousSshOnly'",
    ],
  ]);
  const off = "needs the tailnet, and that is not enabled: nobody could log in. First go back to public SSH";
  const on = "pulumi config set --path 'monoclaw:tailnet.enabled' true";
  assert.deepEqual(found({ enabled: false, sshOnly: true }), [["tailnet.sshOnly", off, on]]);
  assert.deepEqual(found({ enabled: false, previousSshOnly: true }), [["tailnet.previousSshOnly", off, on]]);
  for (const address of ["http://gateway", "a b", "", 7, "-x"]) {
    assert.deepEqual(
      found({ address }).map(([key, , fix]) => [key, fix]),
      [["tailnet.address", "pulumi config rm --path 'monoclaw:tailnet.address'"]],
      String(address),
    );
  }
});

void test("each host has an address of its own on the tailnet", () => {
  const hosts = { one: { tailnet: { address: "100.64.0.7" } }, two: { tailnet: { address: "100.64.0.7" } } };
  const [found, ...more] = mistakes({ hosts });
  assert.deepEqual(
    [found?.key, found?.reason, more],
    ["hosts.two.tailnet.address", "is host one's, too; each host has an address of its own", []],
  );
});

void test("hosts that share a tag share their ways for SSH over the tailnet, since the policy's grant is the tag's", () => {
  const hosts = { one: {}, two: { tailnet: { sshOnly: true } } };
  const [found] = mistakes({ hosts });
  assert.equal(found?.key, "hosts.two.tailnet.tags[0]");
  assert.match(found.reason, /other users, https or ways for SSH/);
  const apart = { one: {}, two: { tailnet: { sshOnly: true, tags: ["tag:two"] } } };
  assert.deepEqual(mistakes({ hosts: apart }), []);
});
