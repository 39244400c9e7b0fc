import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError, parseConfig } from "../../lib/config";
import { sshKeyPair } from "../../lib/keys";

const root = join(__dirname, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The first cells of a page's tables, without their back quotes. */
function firstCells(page: string): string[] {
  return [...read(page).matchAll(/^\| `?([^|`]+?)`? +\|/gm)].map((match) => match[1] ?? "");
}

/** The keys that the configuration takes at a place, from its own error for an unknown one. */
function knownKeys(place: string): string[] {
  const unknown = place === "" ? { "?": 1 } : { [place]: { "?": 1 } };
  try {
    parseConfig(unknown, root);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    const reason = error.mistakes.find(({ key }) => key.endsWith("?"))?.reason ?? "";
    return reason.replace(/^.*known are /, "").split(", ");
  }
  return [];
}

void test("configuration.md lists every key that the program takes, and no other", () => {
  const groups = ["server", "existing", "limits", "fail2ban", "updates", "openclaw", "tailnet"];
  const keys = [
    ...knownKeys("").filter((key) => !groups.includes(key)),
    ...groups.flatMap((group) => knownKeys(group).map((key) => `${group}.${key}`)),
  ];
  assert.ok(keys.length > 10);
  assert.deepEqual(
    firstCells("docs/configuration.md")
      .filter((cell) => cell !== "key" && !cell.startsWith("-"))
      .sort(),
    keys.sort(),
  );
});

/** What the page says of a default that is no value, by key. */
const described: Readonly<Record<string, string>> = {
  hosts: "one host",
  previousSshPort: "not set",
  authorizedKeys: "must be set",
  "existing.address": "must be set",
  "existing.privateKey": "not set",
  "existing.hostKey": "must be set",
  "openclaw.registry": "not set",
  "tailnet.users": "owner and admins",
  "tailnet.previousSshOnly": "not set",
  "tailnet.address": "the host's name",
  "tailnet.loginServer": "not set",
  "tailnet.archive": "Tailscale's own",
};

void test("configuration.md has the defaults that the program takes", () => {
  const key = sshKeyPair("01".repeat(32), "me").publicKey;
  const hostKey = key.split(" ").slice(0, 2).join(" ");
  const rented = parseConfig({ authorizedKeys: [key] }, root);
  const existing = parseConfig(
    { authorizedKeys: [key], target: "existing", existing: { address: "192.0.2.1", hostKey } },
    root,
  );
  const of = ({ hosts }: typeof rented) => hosts.get("gateway") ?? assert.fail("no host");
  const { machine, ...settings } = of(rented);
  const taken: unknown = {
    ...settings,
    ...machine,
    ...of(existing).machine,
    target: machine.target,
    serial: rented.serial,
  };
  const valueOf = (path: string) =>
    path.split(".").reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], taken);
  const rows = [...read("docs/configuration.md").matchAll(/^\| `([^`]+)` +\| [^|]+\| (?:`([^`]+)`|([^|`]+?)) +\|/gm)];
  assert.ok(rows.length > 30, `${String(rows.length)} rows`);
  for (const [, path = "", literal, words] of rows) {
    assert.equal(words, described[path], path);
    // In the settings it is a host key that is left out, and here there is one.
    if (literal === undefined || path === "existing.trustOnFirstUse") continue;
    const unquoted = (text: string) => text.replaceAll('"', "");
    assert.equal(unquoted(literal), unquoted(JSON.stringify(valueOf(path))), path);
  }
});

void test("signed-layers.md lists every exit code of the receiver, and no other", () => {
  const header = read("templates/host/usr/local/vps-scripts/receiver.sh").split("set -euo")[0] ?? "";
  const codes = [...header.matchAll(/\b(8\d|9\d) [a-z]/g)].map((match) => match[1] ?? "");
  assert.ok(codes.length > 10);
  assert.deepEqual(
    firstCells("docs/signed-layers.md").filter((cell) => /^\d+$/.test(cell)),
    codes,
  );
});

void test("faults.md names tests that exist", () => {
  const files = readdirSync(join(root, "test/e2e")).filter((name) => name.endsWith(".ts"));
  const code = files.map((name) => read(join("test/e2e", name))).join("\n");
  const titles = [...read("docs/faults.md").matchAll(/^\|[^|]+\|[^|]+\| +(.+?) +\|$/gm)].map((match) => match[1] ?? "");
  const named = titles.filter((title) => title !== "test" && !title.startsWith("--"));
  assert.ok(named.length >= 20, `${String(named.length)} tests`);
  for (const title of named) {
    assert.ok(code.includes(`"${title}"`), `no test in test/e2e is called: ${title}`);
  }
});

void test("every page that README and docs link to exists", () => {
  const pages = [
    "README.md",
    ...[...read("README.md").matchAll(/\]\((docs\/[a-z-]+\.md)/g)].map((match) => match[1] ?? ""),
  ];
  assert.ok(pages.length > 8);
  for (const page of pages) {
    for (const [, target = ""] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, page, "..", target)), `${page} links to ${target}`);
    }
  }
});
