import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildApi } from "../../../lab/api/app";
import { Lab } from "../../../lab/api/context";
import { loadCheckpoint, saveCheckpoint } from "../../../lab/checkpoint";
import { hostDir } from "../../../lab/host/driver";
import { instanceOf, isInstanceName, labToken } from "../../../lab/instances";
import { Store } from "../../../lab/state";
import { tailnetDir } from "../../../lab/tailnet/config";
import { TailnetStore } from "../../../lab/tailnet/store";
import { Tailnet } from "../../../lab/tailnet/tailnet";
import { FakeDriver } from "./fakes";

const folder = mkdtempSync(join(tmpdir(), "monoclaw-checkpoint-"));
after(() => {
  rmSync(folder, { recursive: true });
});

/** A lab that boots nothing, with its files in a folder of its own, and its API. */
function makeLab(name: string) {
  const instance = { ...instanceOf("test"), stateDir: join(folder, name) };
  const driver = new FakeDriver();
  const lab = new Lab(
    instance,
    new Store(),
    driver,
    () => undefined,
    () => "base-trixie-0",
  );
  const stopped: string[] = [];
  const tailnet = new Tailnet(instance, new TailnetStore(join(tailnetDir(instance), "state.json")), {
    call: () => Promise.reject(new Error("no headscale here")),
    ensure: () => Promise.resolve(),
    stop: () => Promise.resolve(void stopped.push(name)),
    judge: () => Promise.reject(new Error("no judge here")),
  });
  const app = buildApi(lab, labToken, { instance: "test", checkout: folder, version: "1", pid: 1 });
  const get = async (path: string) => {
    const headers = { authorization: `Bearer ${labToken}` };
    return (await app.inject({ method: "GET", url: `/v1/${path}`, headers })).json<Record<string, unknown[]>>();
  };
  const create = async (server: string) => {
    const headers = { authorization: `Bearer ${labToken}`, "content-type": "application/json" };
    const payload = { name: server, server_type: "cx23", image: "debian-13" };
    await app.inject({ method: "POST", url: "/v1/servers", headers, payload });
    await lab.actions.settle();
    const [made] = lab.store.state.servers;
    assert.ok(made !== undefined);
    mkdirSync(join(hostDir(instance, made.id), "upper/var/lib/systemd/timers"), { recursive: true });
    return made;
  };
  return { instance, lab, driver, tailnet, get, create, stopped };
}

void test("a lab is saved and loaded elsewhere: records, disks, tailnet, and everybody who holds them sees it", async () => {
  const one = makeLab("one");
  const server = await one.create("web");
  writeFileSync(join(hostDir(one.instance, server.id), "upper/here"), "kept");
  writeFileSync(join(hostDir(one.instance, server.id), "upper/var/lib/systemd/timers/stamp-x.timer"), "");
  one.tailnet.store.state.policy = "// ours";
  one.tailnet.store.save();
  writeFileSync(join(tailnetDir(one.instance), "headscale.log"), "long");
  const kept = join(folder, "kept");
  await assert.rejects(saveCheckpoint(one.lab, one.tailnet, kept), /web is running: only a lab whose hosts are off/);
  assert.equal(existsSync(kept), false);
  server.status = "off";
  await saveCheckpoint(one.lab, one.tailnet, kept);
  assert.deepEqual((await one.get("servers"))["servers"], [], "the lab is empty afterwards");
  assert.ok(one.stopped.length > 0);
  assert.equal(readFileSync(join(kept, "disks", String(server.id), "here"), "utf8"), "kept");
  assert.equal(existsSync(join(kept, "tailnet/headscale.log")), false);

  const two = makeLab("two");
  const other = await two.create("other");
  const held = two.tailnet.store.state;
  for (const arguments_ of [[], ["systemd.mask=cron.service"]]) {
    await loadCheckpoint(two.lab, two.tailnet, kept, arguments_);
    const names = ((await two.get("servers"))["servers"] as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names, ["web"]);
    assert.equal(held.policy, "// ours");
    assert.deepEqual(two.driver.booted?.layers, [join(kept, "disks", String(server.id))]);
    assert.deepEqual(two.driver.booted.bootArguments, arguments_);
    assert.ok(two.driver.calls.includes(`remove ${String(other.id)}`));
    const stamp = join(hostDir(two.instance, server.id), "upper/var/lib/systemd/timers/stamp-x.timer");
    assert.ok(existsSync(stamp), "a timer would make up for the time since");
  }
  const [loaded] = two.lab.store.state.servers;
  assert.ok(loaded !== undefined);
  loaded.status = "off";
  await assert.rejects(saveCheckpoint(two.lab, two.tailnet, join(folder, "again")), /lies upon other layers/);
  await loadCheckpoint(two.lab, two.tailnet);
  assert.deepEqual((await two.get("servers"))["servers"], []);
});

void test("labs in lanes are all alike, but for what the machine knows them by", () => {
  const { name, group, uplink, table, stateDir, ...one } = instanceOf("test1");
  const two = instanceOf("test2");
  assert.deepEqual({ ...two, ...one }, two);
  assert.equal(one.family, "test");
  for (const [mine, other] of [
    [name, two.name],
    [group, two.group],
    [uplink, two.uplink],
    [table, two.table],
    [stateDir, two.stateDir],
  ]) {
    assert.notEqual(mine, other);
  }
  assert.deepEqual(["test1", "test0", "test10", "prod", "dev"].map(isInstanceName), [true, false, false, false, true]);
});
