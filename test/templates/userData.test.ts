import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import * as zlib from "node:zlib";
import { bootstrapScript, maxUserDataBytes, userData } from "../../components/bootstrap";
import { hostText } from "../../components/layers/files";
import { withoutComments } from "../../components/layers/receiver";
import { check, golden, scratch } from "./golden";
import { sample, sampleHostKey } from "./samples";

interface CloudConfig {
  users: { name: string; lock_passwd: boolean; sudo?: unknown }[];
  disable_root: boolean;
  ssh_pwauth: boolean;
  write_files: { path: string; permissions: string; encoding: string; content: string }[];
}

const folder = scratch();

function parse(text: string): CloudConfig {
  assert.match(text, /^#cloud-config\n/);
  return JSON.parse(text.slice(text.indexOf("\n"))) as CloudConfig;
}

/** A public key line with the length of RSA's 4096 bits; its bytes are as random as a real one's, so they don't pack. */
function rsaKey(_: unknown, index: number): string {
  const fields = [Buffer.from("ssh-rsa"), Buffer.from([1, 0, 1]), Buffer.concat([Buffer.alloc(1), randomBytes(512)])];
  const blob = Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      return [length, field];
    }),
  );
  return `ssh-rsa ${blob.toString("base64")} somebody${String(index)}@a-laptop-with-a-long-name.example`;
}

void test("user_data: as committed, and cloud-init's schema accepts it", () => {
  const text = userData(sample, sampleHostKey);
  const config = parse(text);
  const [file] = config.write_files;
  assert.ok(file);
  // The script's own files have golden files of theirs; lint checks the script itself.
  golden("user-data.json", JSON.stringify({ ...config, write_files: [{ ...file, content: "…" }] }, null, 2) + "\n");
  const saved = path.join(folder, "user-data");
  fs.writeFileSync(saved, text);
  assert.match(check("cloud-init", ["schema", "--config-file", saved], "cloud-init"), /Valid/);
});

void test("user_data: no way in but the primary user's keys", () => {
  const config = parse(userData(sample, sampleHostKey));
  assert.deepEqual(config.users, [{ name: "ops", shell: "/bin/bash", lock_passwd: true }]);
  assert.equal(config.disable_root, true);
  assert.equal(config.ssh_pwauth, false);
});

void test("user_data: it carries the bootstrap script whole, for root alone", () => {
  const [file] = parse(userData(sample, sampleHostKey)).write_files;
  assert.equal(file?.permissions, "0700");
  const script = zlib.gunzipSync(Buffer.from(file.content, "base64")).toString();
  assert.equal(script, bootstrapScript(sample));
});

void test("user_data: the host's tools in it are the whole ones but for comments", () => {
  for (const name of ["journal.sh", "layer.sh", "receiver.sh", "monoclaw-config", "deploy-entry"]) {
    const whole = hostText(`usr/local/vps-scripts/${name}`);
    const short = withoutComments(whole);
    assert.ok(bootstrapScript(sample).includes(short) && short.length < whole.length, name);
    const [a, b] = [whole, short].map((text) => {
      const file = path.join(folder, name);
      fs.writeFileSync(file, text);
      return check("shfmt", ["--minify", "--language-dialect", "bash", file], "shfmt");
    });
    assert.equal(a, b, name);
  }
});

void test("user_data: ten RSA keys of 4096 bits fit what Hetzner takes; too many are an error that says so", () => {
  const bytesWith = (keys: number) =>
    Buffer.byteLength(userData({ ...sample, authorizedKeys: Array.from({ length: keys }, rsaKey) }, sampleHostKey));
  assert.ok(bytesWith(10) < maxUserDataBytes, `${String(bytesWith(10))} bytes`);
  assert.throws(() => bytesWith(100), /user_data has \d+ bytes, Hetzner takes 32768; list fewer authorizedKeys/);
});
