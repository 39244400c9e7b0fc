import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import Ajv from "ajv";
import * as prettier from "prettier";
import { parse } from "yaml";
import { parseConfig } from "../../lib/config";
import { isKey } from "../../lib/config/key";
import { host, stack } from "../../lib/config/keys";
import { configurationTable, stackSchema } from "../../toolchain/reference/configuration";
import { hostInputsSource } from "../../toolchain/reference/hostInputs";
import { committed } from "../committed";
import { placesOf } from "./places";
import { samples, wrong } from "./stackSamples";

const root = path.join(__dirname, "../..");
const read = (name: string) => fs.readFileSync(path.join(root, name), "utf8");
const [begin, end] = ["<!-- The table is made from lib/config/keys.ts. -->", "<!-- End of the table. -->"];

void test("configuration.md has the table of the declared keys", async () => {
  const page = read("docs/configuration.md");
  const [before = "", , after = ""] = page.split(new RegExp(`(?<=${begin})|(?=${end})`));
  const options = await prettier.resolveConfig(path.join(root, "docs/configuration.md"));
  const text = `${before}\n\n${configurationTable()}\n\n${after}`;
  committed("docs/configuration.md", await prettier.format(text, { ...options, parser: "markdown" }));
});

void test("the arguments of a host are made from the declared keys", async () => {
  const options = await prettier.resolveConfig(path.join(root, "components/hostInputs.ts"));
  committed(
    "components/hostInputs.ts",
    await prettier.format(hostInputsSource(), { ...options, parser: "typescript" }),
  );
});

void test("stack.schema.json is made from the declared keys", async () => {
  const options = await prettier.resolveConfig(path.join(root, "docs/stack.schema.json"));
  const text = JSON.stringify(stackSchema());
  committed("docs/stack.schema.json", await prettier.format(text, { ...options, parser: "json" }));
});

const validate = new Ajv({ strict: false, allErrors: true }).compile(stackSchema());

/** The keys that the schema finds wrong in a stack's file. */
function found(file: unknown): string[] {
  validate(file);
  return (validate.errors ?? []).map(({ instancePath, params }) => {
    const { additionalProperty, propertyName } = params as { additionalProperty?: string; propertyName?: string };
    return [...instancePath.split("/").slice(2), additionalProperty ?? propertyName ?? ""].filter(Boolean).join(".");
  });
}

function stackOf(raw: Readonly<Record<string, unknown>>): unknown {
  return { config: Object.fromEntries(Object.entries(raw).map(([name, value]) => [`monoclaw:${name}`, value])) };
}

void test("the schema takes the project's own stack, and every right key", () => {
  assert.deepEqual(found(parse(read("Pulumi.dev.yaml"))), []);
  for (const [name, raw] of Object.entries(samples)) {
    assert.deepEqual(found(stackOf(raw)), [], name);
  }
});

/** What `pulumi config set` writes, with --secret and --path and without, and what a person leaves empty. */
const written: readonly unknown[] = [
  { "monoclaw:sshPort": "2222", "hcloud:token": { secure: "v1:abc" } },
  { "monoclaw:authorizedKeys": [{ secure: "v1:abc" }] },
  { "monoclaw:authorizedKeys": '["a.pub"]', "monoclaw:limits": '{"memoryMax":"2G"}' },
  { "monoclaw:existing": { privateKey: { secure: "v1:abc" } } },
  { "monoclaw:existing": { secure: "v1:abc" }, "monoclaw:hosts": { secure: "v1:abc" } },
  { "monoclaw:hosts": '{"home":{}}', "monoclaw:generation": "3" },
  { "monoclaw:sshPort": null, "monoclaw:tailnet": { address: null }, "monoclaw:server": null },
];

void test("the schema takes what pulumi config set writes", () => {
  for (const config of written) {
    assert.deepEqual(found({ encryptionsalt: "v1:x", config }), [], JSON.stringify(config));
  }
  assert.deepEqual(found({ config: { "monoclaw:sshPort": "022" } }).at(-1), "monoclaw:sshPort");
});

void test("the schema refuses what the program refuses, as far as the value itself tells", () => {
  const all = new Set(Object.values(wrong).flatMap((raw) => found(stackOf(raw))));
  for (const key of [
    "monoclaw:sshprot",
    "monoclaw:tailnet.sshOnly",
    "monoclaw:serial",
    "monoclaw:primaryUser",
    "monoclaw:kernel",
    "monoclaw:authorizedKeys",
    "monoclaw:server.size",
    "monoclaw:server.image",
    "monoclaw:limits.tasksMax",
    "monoclaw:fail2ban.maxretry",
    "monoclaw:updates.rebootTime",
    "monoclaw:tailnet.users",
    "monoclaw:tailnet.archive.sha256.riscv",
    "monoclaw:openclaw.settings",
    "monoclaw:hosts.B_",
    "monoclaw:hosts.b.fail2ban.maxtry",
  ]) {
    assert.ok(all.has(key), `${key} isn't among ${[...all].join(", ")}`);
  }
});

/** The keys of the configuration, each with its path. */
const keys = placesOf({ ...stack, ...host }).flatMap(({ path: names, node }) =>
  isKey(node) ? [{ place: names.join("."), key: node }] : [],
);

function valueIn(raw: unknown, place: string): unknown {
  return place.split(".").reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], raw);
}

void test("the samples set every key, right and wrong", () => {
  for (const [kind, raws] of Object.entries({ samples, wrong })) {
    const missing = keys.filter(({ place }) => Object.values(raws).every((raw) => valueIn(raw, place) === undefined));
    assert.deepEqual(
      missing.map(({ place }) => place),
      [],
      kind,
    );
  }
});

void test("a default that is a value in the table, though the key has none, is the one that is taken", () => {
  const settings = parseConfig(samples["defaults"] ?? assert.fail("no sample"), root).hosts.get("gateway");
  const told = keys.flatMap(({ place, key }) => {
    const [, value] = /^`(.*)`$/.exec(key.fallbackWords ?? "") ?? [];
    return value === undefined ? [] : [[place, value]];
  });
  assert.ok(told.length > 0);
  assert.deepEqual(
    told,
    told.map(([place = ""]) => [place, String(valueIn(settings, place))]),
  );
});

void test("Pulumi.yaml has the defaults of the declared keys", () => {
  const { config } = parse(read("Pulumi.yaml")) as { config: Record<string, { default: unknown }> };
  const declared = Object.keys(config).map((name) => [
    name,
    (host as Record<string, { fallback?: unknown }>)[name]?.fallback,
  ]);
  assert.ok(declared.length > 0);
  assert.deepEqual(
    Object.entries(config).map(([name, { default: value }]) => [name, value]),
    declared,
  );
});
