import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { images } from "../../../lab/api/catalog";
import { baseFor } from "../../../lab/host/image";
import { nameservers } from "../../../lab/host/resolver";
import { seedFor } from "../../../lab/host/seed";
import { HostSpec } from "../../../lab/host/spec";
import { packagesOf, suites, vendorOf } from "../../../lab/host/suites";
import { tryRun, waitUntil } from "../../../lab/run";

const spec: HostSpec = {
  id: 7,
  name: "one",
  base: "base",
  mac: "02:00:00:00:00:07",
  memory: 4,
  location: "fsn1",
  ipv4: "10.77.90.10",
  ipv6: "fd77:90:0:a::/64",
  sshKeys: ["ssh-ed25519 AAAA me"],
  userData: "#!/bin/sh\n: 'as it is'\n",
  rootPassword: undefined,
  restricted: false,
  layers: [],
  bootArguments: [],
};
const network = { gateway4: "10.77.90.1", nameservers: ["192.0.2.53"] };

void test("the seed: user_data untouched, keys for root, static addresses", () => {
  const seed = seedFor(spec, network);
  assert.equal(seed["user-data"], spec.userData);
  assert.deepEqual(parse(seed["meta-data"]), {
    "instance-id": "7",
    "local-hostname": "one",
    "public-keys": ["ssh-ed25519 AAAA me"],
  });
  assert.deepEqual(parse(seed["network-config"]), {
    version: 2,
    ethernets: {
      eth0: {
        match: { macaddress: "02:00:00:00:00:07" },
        addresses: ["10.77.90.10/24", "fd77:90:0:a::1/64"],
        routes: [
          { to: "0.0.0.0/0", via: "10.77.90.1" },
          { to: "::/0", via: "fe80::1" },
        ],
        nameservers: { addresses: ["192.0.2.53"] },
      },
    },
  });
  assert.equal(seed["vendor-data"].includes("chpasswd"), false);
  assert.match(seed["vendor-data"], /^apt:\n {2}preserve_sources_list: true$/m);
});

void test("the seed of a server without keys sets its root password, to be changed at the first login", () => {
  const seed = seedFor({ ...spec, sshKeys: [], rootPassword: "pw" }, network);
  const { chpasswd } = parse(seed["vendor-data"]) as { chpasswd: unknown };
  assert.deepEqual(chpasswd, { expire: true, users: [{ name: "root", password: "pw", type: "text" }] });
});

void test("hosts get name servers that they can reach, else an error that names the files", () => {
  const dir = mkdtempSync(join(tmpdir(), "lab-resolv-"));
  try {
    const stub = join(dir, "stub");
    const real = join(dir, "real");
    writeFileSync(stub, "# comment\nnameserver 127.0.0.53\nnameserver ::1\n");
    writeFileSync(real, "search example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n");
    assert.deepEqual(nameservers([stub, real]), ["192.0.2.53", "192.0.2.54"]);
    assert.throws(() => nameservers([stub, join(dir, "absent")]), /no name server .*stub or .*absent/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

void test("the base's key changes with the suite and the month, and with nothing else", () => {
  const november = new Date("2026-11-23T00:00:00Z");
  assert.equal(baseFor("trixie", november).key, baseFor("trixie", new Date("2026-11-01T00:00:00Z")).key);
  assert.notEqual(baseFor("trixie", november).key, baseFor("trixie", new Date("2026-12-01T00:00:00Z")).key);
  assert.notEqual(baseFor("trixie", november).key, baseFor("bookworm", november).key);
  assert.match(baseFor("trixie", november).key, /^base-trixie-[0-9a-f]{16}$/);
});

void test("each image of the catalog has a suite of its vendor; what Ubuntu has as packages of its own differs", () => {
  assert.deepEqual([...new Set(images.map(({ name }) => name))].sort(), Object.keys(suites).sort());
  assert.deepEqual(["trixie", "noble"].map(vendorOf), ["debian", "ubuntu"]);
  const has = (suite: string, name: string) => packagesOf(suite).includes(name);
  assert.deepEqual(
    ["trixie", "jammy", "noble", "resolute"].map((suite) =>
      ["needrestart", "systemd-resolved", "sudo-rs"].map((name) => has(suite, name)),
    ),
    [
      [false, true, false],
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ],
  );
});

void test("programs: exit codes, input, lines, and a wait that gives up", async () => {
  const lines: string[] = [];
  const onLine = (line: string): void => {
    lines.push(line);
  };
  const result = await tryRun(["sh", "-c", "cat; echo err >&2; exit 3"], { input: "a\nb\n", onLine });
  assert.deepEqual(result, { stdout: "a\nb\n", stderr: "err\n", exitCode: 3 });
  assert.deepEqual(lines.sort(), ["a", "b", "err"]);
  assert.equal((await tryRun(["sh", "-c", "kill -9 $$"])).exitCode, 137);
  await assert.rejects(tryRun(["/no/such/program"]), /ENOENT/);
  await assert.rejects(
    waitUntil(() => false, { deadline: 20, what: "the end of time", interval: 5 }),
    /gave up after 0.02 s waiting for the end of time/,
  );
});
