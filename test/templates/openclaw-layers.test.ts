import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { gatewayScript } from "../../components/layers/gateway";
import { gatewayTokenScript } from "../../components/layers/gatewayToken";
import { openclawScript } from "../../components/layers/openclaw";
import { openClawPackages, packagesOf } from "../../lib/openclawPackages";
import { managedSettings } from "../../lib/openclawSettings";
import { hostText } from "../../components/layers/files";
import { readTemplate } from "../../lib/render";

const limits = { memoryMax: "2G", tasksMax: 100 };
const pins = {
  node: { version: "24.0.0", integrity: { x64: "sha512-x", arm64: "sha512-a" } },
  npm: { version: "11.0.0", integrity: "sha512-n" },
};
const openclaw = { version: "1.2.3", integrity: "sha512-o", bin: { openclaw: "openclaw.mjs" } };

/** Lines of the list that are about packages other than Node.js, npm and their links. */
function linesOf(packages: Parameters<typeof packagesOf>[0]["packages"]): string[] {
  const { list } = packagesOf({ packages: { "": {}, "node_modules/openclaw": openclaw, ...packages } }, pins);
  return list.trim().split("\n").slice(7);
}

void test("each package of the lock file is a line with its pinned hash", () => {
  assert.deepEqual(linesOf({ "node_modules/@a/b/node_modules/c": { version: "2.0.0", integrity: "sha512-c" } }), [
    "any node_modules/openclaw openclaw/-/openclaw-1.2.3.tgz sha512-o",
    "any node_modules/.bin/openclaw -> ../openclaw/openclaw.mjs",
    "any node_modules/@a/b/node_modules/c c/-/c-2.0.0.tgz sha512-c",
  ]);
});

void test("an alias is fetched by its real name", () => {
  const alias = { name: "@real/name", version: "1.0.0", integrity: "sha512-r" };
  assert.equal(
    linesOf({ "node_modules/alias": alias })[2],
    "any node_modules/alias @real/name/-/name-1.0.0.tgz sha512-r",
  );
});

void test("packages for another system, another C library or development are left out", () => {
  const one = { version: "1.0.0", integrity: "sha512-s" };
  const lines = linesOf({
    "node_modules/mac": { ...one, os: ["darwin"] },
    "node_modules/musl": { ...one, libc: ["musl"] },
    "node_modules/dev": { ...one, dev: true },
    "node_modules/not-windows": { ...one, os: ["!win32"] },
    "node_modules/arm": { ...one, os: ["linux"], cpu: ["arm64"] },
    "node_modules/bundled": { version: "1.0.0", inBundle: true },
  });
  assert.deepEqual(lines.slice(2), [
    "any node_modules/not-windows not-windows/-/not-windows-1.0.0.tgz sha512-s",
    "arm64 node_modules/arm arm/-/arm-1.0.0.tgz sha512-s",
  ]);
});

void test("a package without a sha512 hash is refused", () => {
  assert.throws(
    () => linesOf({ "node_modules/x": { version: "1.0.0", integrity: "sha1-x" } }),
    /no sha512 hash for node_modules\/x/,
  );
});

void test("the folder's name changes with any hash in it", () => {
  const lock = { packages: { "node_modules/openclaw": openclaw } };
  const other = { ...pins, npm: { ...pins.npm, integrity: "sha512-m" } };
  assert.match(packagesOf(lock, pins).id, /^1\.2\.3-[0-9a-f]{12}$/);
  assert.notEqual(packagesOf(lock, pins).id, packagesOf(lock, other).id);
});

void test("the committed lock file names no registry and the whole layer fits an envelope", () => {
  assert.doesNotMatch(readTemplate("layers/openclaw/package-lock.json"), /"resolved"/);
  assert.ok(Buffer.byteLength(openclawScript({ registry: "https://registry.example/" })) < 200_000);
});

void test("the requirements' settings can't be overridden, the baseline's can", () => {
  const managed = managedSettings({
    gateway: { bind: "lan" },
    tools: { exec: { mode: "ask" } },
    browser: { enabled: null },
    cron: { enabled: false },
  });
  const { gateway, tools, browser, cron } = managed as Record<string, Record<string, unknown> | undefined>;
  assert.deepEqual([gateway?.["mode"], gateway?.["bind"], gateway?.["port"]], ["local", "loopback", 18789]);
  assert.deepEqual(gateway?.["trustedProxies"], ["127.0.0.1", "::1"]);
  assert.deepEqual(tools?.["exec"], { mode: "ask" });
  assert.equal(browser, undefined);
  assert.deepEqual(cron, { enabled: false });
});

void test("the gateway layer carries the requirements' directives and follows the version", () => {
  const script = gatewayScript({ settings: {}, ...limits });
  for (const line of [
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
    "ReadWritePaths=/var/lib/openclaw",
    "ReadWritePaths=-/tmp/openclaw",
    "MemoryMax=2G",
    "TasksMax=100",
  ]) {
    assert.ok(script.split("\n").includes(line), line);
  }
  assert.match(script, new RegExp(`^ExecStart=/opt/openclaw/${openClawPackages().id}/bin/node `, "m"));
});

void test("the token layer takes nothing but a token", () => {
  const token = "0123456789abcdef".repeat(4);
  assert.equal(gatewayTokenScript({ token }).split(token).length, 2);
  assert.throws(() => gatewayTokenScript({ token: `${token.slice(0, 63)}'` }), RangeError);
});

for (const [name, script] of [
  ["openclaw", openclawScript({ registry: "https://registry.example/" })],
  ["gateway", gatewayScript({ settings: {}, ...limits })],
  ["gateway-token", gatewayTokenScript({ token: "0".repeat(64) })],
] as const) {
  void test(`shellcheck has nothing to say on layer ${name}`, () => {
    const libraries = ["layer.sh", "gateway.sh"].map((file) => hostText(`usr/local/vps-scripts/${file}`));
    const input = [...libraries, script].join("\n");
    const { stdout } = spawnSync("shellcheck", ["--shell=bash", "--color=never", "-"], { input, encoding: "utf8" });
    assert.equal(stdout, "");
  });
}
