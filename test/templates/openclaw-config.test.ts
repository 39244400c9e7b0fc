import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { templatesDir } from "../../lib/render";

type Json = Record<string, unknown>;
interface Script {
  merge: (current: Json, before: Json, now: Json) => Json;
  same: (a: unknown, b: unknown) => boolean;
}

const script = path.join(templatesDir, "layers/openclaw/files/usr/local/vps-scripts/openclaw-config.mjs");
/** The script refuses to run as root, so tests that root starts run it as this user: nobody's. */
const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
const skip =
  spawnSync(process.execPath, ["--version"], user).status === 0 ? false : "this node isn't everybody's to run";
const homes: string[] = [];
let merge: Script["merge"];
let same: Script["same"];
let home: string;

before(async () => {
  ({ merge, same } = (await import(script)) as Script);
});
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), "openclaw-config-"));
  homes.push(home);
  fs.copyFileSync(script, path.join(home, "script.mjs"));
  if (user.uid !== undefined) {
    fs.chownSync(home, user.uid, user.gid);
  }
});
after(() => {
  for (const folder of homes) {
    fs.rmSync(folder, { recursive: true });
  }
});

/** Runs the script with the home, as `node` of this machine. */
function run(args: string[], input = "") {
  return spawnSync(process.execPath, [path.join(home, "script.mjs"), ...args], {
    env: { HOME: home },
    input,
    encoding: "utf8",
    ...user,
  });
}

void test("users' keys survive, and managed keys win", () => {
  const current = { agents: { defaults: { model: "m" } }, gateway: { bind: "lan", push: { enabled: true } } };
  assert.deepEqual(merge(current, {}, { gateway: { bind: "loopback", port: 18789 } }), {
    agents: { defaults: { model: "m" } },
    gateway: { bind: "loopback", push: { enabled: true }, port: 18789 },
  });
});

void test("a key that is no longer managed goes, with the objects that it leaves empty", () => {
  const before = { cron: { enabled: false }, gateway: { port: 1, tailscale: { mode: "off" } } };
  const current = { ...before, channels: {} };
  assert.deepEqual(merge(current, before, { gateway: { port: 1 } }), { gateway: { port: 1 }, channels: {} });
});

void test("a key that is no longer managed stays if it has another value by now", () => {
  assert.deepEqual(merge({ cron: { enabled: true } }, { cron: { enabled: false } }, {}), { cron: { enabled: true } });
});

void test("a list is one value", () => {
  assert.deepEqual(merge({ list: ["a", "b"] }, { list: ["a", "b"] }, { list: ["c"] }), { list: ["c"] });
  assert.deepEqual(merge({ list: ["a"] }, { list: ["a"] }, {}), {});
});

void test("an object takes the place of a value, and a value that of an object", () => {
  assert.deepEqual(merge({ a: 1, b: { c: 1 } }, {}, { a: { x: 1 }, b: 2 }), { a: { x: 1 }, b: 2 });
});

void test("a key named __proto__ is a key like any other", () => {
  const merged = merge(JSON.parse('{"__proto__": {"polluted": true}}') as Json, {}, { a: 1 });
  assert.equal(({} as Json)["polluted"], undefined);
  assert.equal(JSON.stringify(merged), '{"__proto__":{"polluted":true},"a":1}');
});

void test("the order of keys makes no difference", () => {
  assert.ok(same({ a: 1, b: [{ c: 1, d: 2 }] }, { b: [{ d: 2, c: 1 }], a: 1 }));
  assert.ok(!same({ a: [1, 2] }, { a: [2, 1] }));
});

void test("a first run stages and swaps in a private file; restore takes it back", { skip }, () => {
  const staged = run(["stage", "id1"], '{"before": {}, "now": {"gateway": {"port": 18789}}}');
  assert.equal(staged.stderr, "");
  const [candidate = "", base = ""] = staged.stdout.trim().split(" ");
  assert.equal(base, "none");
  assert.equal(fs.statSync(candidate).mode & 0o777, 0o600);
  assert.equal(run(["swap", "id1", base]).status, 0);
  const file = path.join(home, ".openclaw/openclaw.json");
  assert.deepEqual(JSON.parse(fs.readFileSync(file, "utf8")), { gateway: { port: 18789 } });
  assert.equal(fs.statSync(path.dirname(file)).mode & 0o777, 0o700);
  assert.equal(run(["read"]).stdout, fs.readFileSync(file, "utf8"));
  assert.equal(run(["restore", "id1"], "").status, 0);
  assert.ok(!fs.existsSync(file));
});

void test("a new file begins with what is asked for", { skip }, () => {
  const request = '{"before": {}, "now": {"a": {"b": 1}}, "begin": {"a": {"c": 2}, "d": 3}}';
  const [candidate = "", base = ""] = run(["stage", "id1"], request).stdout.trim().split(" ");
  assert.deepEqual(JSON.parse(fs.readFileSync(candidate, "utf8")), { a: { b: 1, c: 2 }, d: 3 });
  assert.equal(base, "none");
  assert.equal(run(["stage", "id1"], request.replace('{"a": {"c": 2}, "d": 3}', "[]")).status, 1);
});

void test("a file that changed since the candidate was made is not overwritten", { skip }, () => {
  const staged = run(["stage", "id1"], '{"before": {}, "now": {"a": 1}}');
  const file = path.join(home, ".openclaw/openclaw.json");
  fs.writeFileSync(file, "{}", { mode: 0o600 });
  if (user.uid !== undefined) {
    fs.chownSync(file, user.uid, user.gid);
  }
  const swapped = run(["swap", "id1", staged.stdout.trim().split(" ")[1] ?? ""]);
  assert.equal(swapped.status, 1);
  assert.match(swapped.stderr, /changed while/);
  assert.equal(fs.readFileSync(file, "utf8"), "{}");
});

/** Makes a thing of the user's own below its home, as root or as that user. */
function plant(name: string, make: (at: string) => void): void {
  const at = path.join(home, name);
  fs.mkdirSync(path.dirname(at), { recursive: true, mode: 0o700 });
  make(at);
  if (user.uid !== undefined) {
    for (const each of new Set([path.dirname(at), at])) fs.lchownSync(each, user.uid, user.gid);
  }
}

const victim = () => path.join(home, "victim");
const full = (at: string) => {
  fs.mkdirSync(path.join(at, "full"), { recursive: true });
  fs.chmodSync(at, 0);
};
const file = ".openclaw/openclaw.json";
for (const [what, name, make] of [
  [
    "a link in openclaw.json's place",
    file,
    (at) => {
      fs.symlinkSync(path.join(victim(), "file"), at);
    },
  ],
  [
    "a link in the folder's place",
    ".openclaw",
    (at) => {
      fs.symlinkSync(victim(), at);
    },
  ],
  [
    "a link in the candidate's place",
    ".openclaw/.openclaw.json.monoclaw-new",
    (at) => {
      fs.symlinkSync(victim(), at);
    },
  ],
  ["a folder in openclaw.json's place", file, full],
  ["a folder in the candidate's place", ".openclaw/.openclaw.json.monoclaw-new", full],
  [
    "a file in the folder's place",
    ".openclaw",
    (at) => {
      fs.writeFileSync(at, "x");
    },
  ],
  [
    "a pipe in openclaw.json's place",
    file,
    (at) => {
      spawnSync("mkfifo", [at]);
    },
  ],
  [
    "a file of 5 MiB",
    file,
    (at) => {
      fs.writeFileSync(at, " ".repeat(5 * 1024 * 1024));
    },
  ],
] as const satisfies readonly (readonly [string, string, (at: string) => void])[]) {
  void test(`${what} is set aside, not followed, and said`, { skip }, () => {
    fs.mkdirSync(victim());
    plant(name, make);
    const staged = run(["stage", "id1"], '{"before": {}, "now": {"a": 1}}');
    assert.equal(staged.status, 0, staged.stderr);
    const swapped = run(["swap", "id1", staged.stdout.trim().split(" ")[1] ?? ""]);
    assert.equal(swapped.status, 0, swapped.stderr);
    assert.match(staged.stderr + swapped.stderr, /^openclaw\.json: set aside what stood in the place of \S+, as \S+$/m);
    assert.deepEqual(JSON.parse(fs.readFileSync(path.join(home, file), "utf8")), { a: 1 });
    assert.deepEqual(fs.readdirSync(victim()), []);
    const kept = fs.readdirSync(path.dirname(path.join(home, name))).filter((each) => each.includes(".set-aside-"));
    assert.equal(kept.length, 1);
  });
}

for (const [what, name, make] of [
  ["a folder in openclaw.json's place", file, full],
  [
    "a link in the folder's place",
    ".openclaw",
    (at) => {
      fs.symlinkSync(victim(), at);
    },
  ],
] as const satisfies readonly (readonly [string, string, (at: string) => void])[]) {
  void test(`${what} is back after a roll-back`, { skip }, () => {
    fs.mkdirSync(victim());
    plant(name, make);
    const before = fs.lstatSync(path.join(home, name));
    const staged = run(["stage", "id1"], '{"before": {}, "now": {"a": 1}}');
    run(["swap", "id1", staged.stdout.trim().split(" ")[1] ?? ""]);
    assert.notEqual(fs.lstatSync(path.join(home, name)).ino, before.ino);
    const restored = run(["restore", "id1"], "");
    assert.equal(restored.status, 0, restored.stderr);
    assert.equal(fs.lstatSync(path.join(home, name)).ino, before.ino);
  });
}

void test("what is set aside on request is back when that is asked for", { skip }, () => {
  plant(file, (at) => {
    fs.writeFileSync(at, "{");
  });
  assert.equal(run(["aside", "id1"]).status, 0);
  assert.ok(!fs.existsSync(path.join(home, file)));
  assert.equal(run(["back", "id1"]).status, 0);
  assert.equal(fs.readFileSync(path.join(home, file), "utf8"), "{");
  assert.equal(run(["aside", "../id"]).status, 1);
});

void test("reading sets nothing aside", { skip }, () => {
  plant(file, full);
  assert.deepEqual([run(["read"]).stdout, run(["json"]).status], ["", 1]);
  assert.deepEqual(fs.readdirSync(path.join(home, ".openclaw")), ["openclaw.json"]);
});

void test("rights that keep the user itself out are mended", { skip }, () => {
  plant(".openclaw", (at) => {
    fs.mkdirSync(at, { mode: 0 });
  });
  fs.chmodSync(home, 0o100);
  assert.equal(run(["stage", "id1"], '{"before": {}, "now": {"a": 1}}').status, 0);
});

void test("what can't be read is refused without quoting it: it may hold the token", { skip }, () => {
  const staged = run(["stage", "id1"], '{"now": {"token": "5ecre7"');
  assert.equal(staged.status, 1);
  assert.doesNotMatch(staged.stderr, /5ecre7/);
});
