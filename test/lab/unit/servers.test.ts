import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeLab, Json, text } from "./fakes";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHs4DIpIqvP0J9AmGZQBz0XUvt4k2axSCQcgVVRIQpxq";

async function act(
  lab: FakeLab,
  id: unknown,
  name: string,
  body: object = {},
): Promise<{ status: number; body: Json }> {
  const answer = await lab.call("POST", `/servers/${text(id)}/actions/${name}`, body);
  await lab.lab.actions.settle();
  return answer;
}

async function show(lab: FakeLab, id: unknown): Promise<Json | undefined> {
  return (await lab.call("GET", `/servers/${text(id)}`)).body.server;
}

void test("create: the answer comes before the boot, the lock lasts until it is over", async () => {
  const lab = new FakeLab();
  let open: () => void = () => undefined;
  lab.driver.gate = new Promise((resolve) => {
    open = resolve;
  });
  const made = await lab.call("POST", "/servers", { name: "one", server_type: "cx23", image: "debian-13" });
  assert.equal(made.status, 201);
  const { server: fresh } = made.body;
  assert.deepEqual([fresh?.status, fresh?.locked], ["initializing", true]);
  assert.deepEqual([made.body.action?.status, made.body.action?.command], ["running", "create_server"]);
  const id = text(fresh?.id);
  const early = await lab.call("POST", `/servers/${id}/actions/poweroff`);
  assert.deepEqual([early.status, early.body.error?.code], [423, "locked"]);
  open();
  await lab.lab.actions.settle();
  const server = await show(lab, id);
  assert.deepEqual([server?.status, server?.locked], ["running", false]);
});

void test("create: what the host is booted with", async () => {
  const lab = new FakeLab();
  const made = await lab.call("POST", "/ssh_keys", { name: "k", public_key: key });
  const body = await lab.server("one", { ssh_keys: [made.body.ssh_key?.id], user_data: "#cloud-config\n{}\n" });
  assert.equal(body.root_password, null);
  assert.deepEqual(lab.driver.booted, {
    id: body.server?.id,
    name: "one",
    base: "base-trixie-0",
    location: "fsn1",
    mac: lab.driver.booted?.mac,
    ipv4: "10.77.90.10",
    ipv6: "fd77:90:0:a::/64",
    sshKeys: [key],
    userData: "#cloud-config\n{}\n",
    rootPassword: undefined,
    restricted: false,
    memory: 4,
    layers: [],
    bootArguments: [],
  });
});

void test("create without a key: a root password is made, shown once, and set", async () => {
  const lab = new FakeLab();
  const body = await lab.server("one");
  assert.match(text(body.root_password), /^\S{20}$/);
  assert.equal(lab.driver.booted?.rootPassword, body.root_password);
  assert.equal(JSON.stringify(await show(lab, body.server?.id)).includes(text(body.root_password)), false);
});

void test("create: names, sizes, places and architectures that can't be are refused", async () => {
  const lab = new FakeLab();
  await lab.server("one");
  const code = async (extra: object): Promise<unknown> =>
    (await lab.call("POST", "/servers", { name: "two", server_type: "cx23", image: "debian-13", ...extra })).body.error
      ?.code;
  assert.equal(await code({ name: "one" }), "uniqueness_error");
  assert.equal(await code({ server_type: "cpx11" }), "invalid_server_type");
  assert.equal(await code({ location: "ash" }), "resource_unavailable");
  assert.equal(await code({ image: "windows" }), "invalid_input");
  assert.equal(await code({ public_net: { enable_ipv4: false, enable_ipv6: false } }), "invalid_input");
  assert.equal(await code({ firewalls: [{ firewall: 5 }] }), "not_found");
  assert.equal(await code({ networks: [1] }), "invalid_input");
  assert.equal(lab.store.state.servers.length, 1);
  assert.equal(lab.store.state.primaryIps.length, 2);
});

void test("a boot that fails makes the action fail with the reason, and leaves the server off and unlocked", async () => {
  const lab = new FakeLab();
  lab.driver.failure = new Error("no such kernel");
  const body = await lab.server("one");
  const [start] = body.next_actions as unknown as { id: number }[];
  const { action } = (await lab.call("GET", `/actions/${String(start?.id)}`)).body;
  assert.deepEqual([action?.status, action?.error], ["error", { code: "action_failed", message: "no such kernel" }]);
  assert.match(lab.log.join("\n"), /action start_server failed: Error: no such kernel/);
  const server = await show(lab, body.server?.id);
  assert.deepEqual([server?.status, server?.locked], ["off", false]);
});

void test("power actions reach the host and show in the status", async () => {
  const lab = new FakeLab();
  const id = (await lab.server("one")).server?.id;
  lab.driver.calls.length = 0;
  await act(lab, id, "poweroff");
  assert.equal((await show(lab, id))?.status, "off");
  await act(lab, id, "poweron");
  await act(lab, id, "poweron");
  await act(lab, id, "reset");
  await act(lab, id, "reboot");
  await act(lab, id, "shutdown");
  const self = text(id);
  assert.deepEqual(lab.driver.calls, [
    ...[`off ${self}`, "on one", `off ${self}`, "on one", `reboot ${self}`, `button ${self}`],
  ]);
  assert.equal((await act(lab, id, "dance")).status, 501);
});

void test("rebuild makes a new disk with the old or new user_data", async () => {
  const lab = new FakeLab();
  const id = (await lab.server("one", { user_data: "old" })).server?.id;
  lab.driver.calls.length = 0;
  await act(lab, id, "rebuild", { image: "debian-13" });
  assert.deepEqual(lab.driver.calls, [`off ${text(id)}`, "disk one", "on one"]);
  assert.equal(lab.driver.booted?.userData, "old");
  await act(lab, id, "rebuild", { image: "debian-13", user_data: "new" });
  assert.equal(lab.driver.booted.userData, "new");
  assert.equal((await act(lab, id, "rebuild", { image: "nothing" })).body.error?.code, "invalid_input");
});

void test("protection: both or none, and it is honoured", async () => {
  const lab = new FakeLab();
  const id = (await lab.server("one")).server?.id;
  assert.equal((await act(lab, id, "change_protection", { delete: true })).body.error?.code, "invalid_input");
  await act(lab, id, "change_protection", { delete: true, rebuild: true });
  const removal = await lab.call("DELETE", `/servers/${text(id)}`);
  assert.deepEqual([removal.status, removal.body.error?.code], [423, "protected"]);
  assert.equal((await act(lab, id, "rebuild", { image: "debian-13" })).body.error?.code, "protected");
  await act(lab, id, "change_protection", { delete: false, rebuild: false });
  assert.equal((await lab.call("DELETE", `/servers/${text(id)}`)).status, 200);
});

void test("backups and change of type", async () => {
  const lab = new FakeLab();
  const id = (await lab.server("one")).server?.id;
  await act(lab, id, "enable_backup");
  assert.equal((await show(lab, id))?.backup_window, "22-02");
  await act(lab, id, "disable_backup");
  assert.equal((await show(lab, id))?.backup_window, null);
  const bigger = { server_type: "cx33", upgrade_disk: true };
  assert.equal((await act(lab, id, "change_type", bigger)).body.error?.code, "server_not_stopped");
  await act(lab, id, "poweroff");
  await act(lab, id, "change_type", bigger);
  const server = await show(lab, id);
  assert.deepEqual([server?.server_type?.name, server?.primary_disk_size], ["cx33", 80]);
  const back = await act(lab, id, "change_type", { server_type: "cx23", upgrade_disk: false });
  assert.equal(back.body.error?.code, "invalid_server_type");
});

void test("primary IPs: made, assigned at creation, kept or deleted with the server", async () => {
  const lab = new FakeLab();
  const wish = { name: "ip", type: "ipv4", location: "fsn1" };
  const ip = (await lab.call("POST", "/primary_ips", wish)).body.primary_ip;
  assert.deepEqual([ip?.ip, ip?.assignee_id, ip?.auto_delete], ["10.77.90.10", null, false]);
  const id = (await lab.server("one", { public_net: { ipv4: ip?.id, enable_ipv6: true } })).server?.id;
  assert.equal((await show(lab, id))?.public_net?.ipv4?.ip, "10.77.90.10");
  const path = `/primary_ips/${text(ip?.id)}`;
  assert.equal((await lab.call("DELETE", path)).body.error?.code, "must_be_unassigned");
  assert.equal((await lab.call("POST", `${path}/actions/unassign`)).body.error?.code, "server_not_stopped");
  const taken = { name: "two", server_type: "cx23", image: "debian-13", public_net: { ipv4: ip?.id } };
  assert.equal((await lab.call("POST", "/servers", taken)).body.error?.code, "primary_ip_assigned");
  await lab.call("DELETE", `/servers/${text(id)}`);
  await lab.lab.actions.settle();
  assert.deepEqual(
    lab.store.state.primaryIps.map(({ name, assignee }) => [name, assignee]),
    [["ip", null]],
  );
  await lab.call("POST", `${path}/actions/change_protection`, { delete: true });
  assert.equal((await lab.call("DELETE", path)).body.error?.code, "protected");
  await lab.call("POST", `${path}/actions/change_protection`, { delete: false });
  assert.equal((await lab.call("DELETE", path)).status, 204);
});

void test("a server of one address family only", async () => {
  const lab = new FakeLab();
  const body = await lab.server("six", { public_net: { enable_ipv4: false, enable_ipv6: true } });
  assert.equal(body.server?.public_net?.ipv4, null);
  assert.equal(lab.driver.booted?.ipv4, undefined);
  const id = text(body.server.id);
  await act(lab, id, "poweroff");
  const wish = { name: "later", type: "ipv4", assignee_id: body.server.id, assignee_type: "server" };
  assert.equal((await lab.call("POST", "/primary_ips", wish)).status, 201);
  assert.equal((await show(lab, id))?.public_net?.ipv4?.ip, "10.77.90.10");
});

void test("state survives the daemon, in a file that only root reads", async () => {
  const dir = mkdtempSync(join(tmpdir(), "lab-state-"));
  try {
    const path = join(dir, "state.json");
    const first = new FakeLab(path);
    const id = (await first.server("one", { user_data: "secret" })).server?.id;
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const second = new FakeLab(path);
    assert.equal((await show(second, id))?.name, "one");
    assert.equal(second.store.newId() > Number(id), true);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
