import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { adoptSnapshots } from "../../../lab/api/images";
import { layerDir } from "../../../lab/host/layers";
import { Answer, FakeLab, Json, text } from "./fakes";

const debian = 310557660;

async function act(lab: FakeLab, id: unknown, name: string, body?: object): Promise<Answer> {
  const answer = await lab.call("POST", `/servers/${text(id)}/actions/${name}`, body);
  await lab.lab.actions.settle();
  return answer;
}

/** A server's number, and that of a snapshot of it. */
async function snapshotted(lab: FakeLab, body: object = {}): Promise<{ server: unknown; image: string }> {
  const server = (await lab.server("one")).server?.id;
  const made = await act(lab, server, "create_image", body);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return { server, image: text(made.body.image?.id) };
}

const layerOf = (lab: FakeLab, image: string): string => layerDir(lab.lab.instance, Number(image));

async function imageOf(lab: FakeLab, server: unknown): Promise<Json | undefined> {
  return (await lab.call("GET", `/servers/${text(server)}`)).body.server?.image;
}

async function codeOf(answer: Promise<Answer>): Promise<[number, unknown]> {
  const { status, body } = await answer;
  return [status, body.error?.code];
}

void test("a snapshot is answered while it is made, and is available after the action", async () => {
  const lab = new FakeLab();
  const server = (await lab.server("one")).server?.id;
  let open = (): void => undefined;
  lab.driver.gate = new Promise((resolve) => {
    open = resolve;
  });
  const wish = { description: "before", labels: { a: "b" } };
  const made = await lab.call("POST", `/servers/${text(server)}/actions/create_image`, wish);
  assert.equal(made.status, 201);
  const { image, action } = made.body;
  const path = `/images/${text(image?.id)}`;
  assert.deepEqual(image, {
    id: image?.id,
    type: "snapshot",
    status: "creating",
    name: null,
    description: "before",
    architecture: "x86",
    image_size: null,
    disk_size: 40,
    created: image?.created,
    created_from: { id: server, name: "one" },
    bound_to: null,
    os_flavor: "debian",
    os_version: "13",
    rapid_deploy: false,
    protection: { delete: false },
    deprecated: null,
    deleted: null,
    labels: { a: "b" },
  });
  assert.deepEqual([action?.command, action?.status], ["create_image", "running"]);
  assert.deepEqual(action?.resources, [
    { id: server, type: "server" },
    { id: image.id, type: "image" },
  ]);
  // Meanwhile the server is locked, and the image neither usable nor to be deleted.
  assert.deepEqual(await codeOf(lab.call("POST", `/servers/${text(server)}/actions/create_image`)), [423, "locked"]);
  const early = { name: "early", server_type: "cx23", image: image.id };
  assert.deepEqual(await codeOf(lab.call("POST", "/servers", early)), [412, "resource_unavailable"]);
  assert.deepEqual(await codeOf(lab.call("DELETE", path)), [423, "locked"]);
  open();
  await lab.lab.actions.settle();
  const done = (await lab.call("GET", path)).body.image;
  assert.deepEqual([done?.status, done?.image_size], ["available", 0.13]);
  assert.deepEqual(lab.driver.calls.at(-1), `copy ${text(server)}`);
});

void test("the disk of a server that is off is moved, and the server goes on above it", async () => {
  const lab = new FakeLab();
  const server = (await lab.server("one")).server?.id;
  await act(lab, server, "poweroff");
  const first = text((await act(lab, server, "create_image")).body.image?.id);
  const second = text((await act(lab, server, "create_image")).body.image?.id);
  assert.deepEqual(lab.driver.calls.slice(-2), [`move ${text(server)}`, `move ${text(server)}`]);
  await act(lab, server, "poweron");
  assert.deepEqual(lab.driver.booted?.layers, [layerOf(lab, second), layerOf(lab, first)]);
  assert.equal((await imageOf(lab, server))?.id, debian, "its image is what it was made from");
  await lab.server("two", { image: Number(first) });
  assert.deepEqual(lab.driver.booted.layers, [layerOf(lab, first)]);
});

void test("a server from a snapshot lies upon its layers and base; so does a rebuilt one", async () => {
  const lab = new FakeLab();
  const { server, image } = await snapshotted(lab);
  const two = (await lab.server("two", { image })).server?.id;
  assert.deepEqual([lab.driver.booted?.base, lab.driver.booted?.layers], ["base-trixie-0", [layerOf(lab, image)]]);
  assert.deepEqual([(await imageOf(lab, two))?.id, (await imageOf(lab, two))?.type], [Number(image), "snapshot"]);
  await act(lab, server, "rebuild", { image: Number(image) });
  assert.deepEqual(lab.driver.booted?.layers, [layerOf(lab, image)]);
  assert.equal((await imageOf(lab, server))?.id, Number(image));
  const nested = (await act(lab, two, "create_image")).body.image;
  assert.equal(nested?.os_flavor, "debian", "the system is that of the image below");
  await lab.server("three", { image: nested.id });
  assert.deepEqual(lab.driver.booted.layers, [layerOf(lab, text(nested.id)), layerOf(lab, image)]);
  await act(lab, server, "rebuild", { image: "debian-13" });
  assert.deepEqual(lab.driver.booted.layers, []);
});

void test("a snapshot of another architecture, a larger disk or no such number is refused, to create and to rebuild", async () => {
  const lab = new FakeLab();
  const server = (await lab.server("big", { server_type: "cx33" })).server?.id;
  const small = (await lab.server("small")).server?.id;
  const image = (await act(lab, server, "create_image")).body.image?.id;
  const create = (extra: object): Promise<Answer> =>
    lab.call("POST", "/servers", { name: "new", server_type: "cx23", image, ...extra });
  const tooBig = await create({});
  assert.deepEqual([tooBig.status, tooBig.body.error?.code], [422, "invalid_input"]);
  assert.match(JSON.stringify(tooBig.body), /image disk is bigger than server type disk/);
  assert.deepEqual(await codeOf(act(lab, small, "rebuild", { image })), [422, "invalid_input"]);
  assert.deepEqual(await codeOf(create({ server_type: "cax21" })), [422, "invalid_input"]);
  assert.deepEqual(await codeOf(create({ image: 1 })), [422, "invalid_input"]);
  assert.deepEqual(await codeOf(act(lab, small, "rebuild", { image: 1 })), [422, "invalid_input"]);
  assert.equal((await create({ server_type: "cx33" })).status, 201);
});

void test("create_image: bad input and backups are refused, and leave nothing", async () => {
  const lab = new FakeLab();
  const server = (await lab.server("one")).server?.id;
  for (const body of [{ type: "system" }, { description: 5 }, { labels: { "a b": "" } }]) {
    assert.deepEqual(await codeOf(act(lab, server, "create_image", body)), [422, "invalid_input"]);
  }
  assert.deepEqual(await codeOf(act(lab, server, "create_image", { type: "backup" })), [501, "unsupported_error"]);
  assert.equal((await act(lab, 999, "create_image")).status, 404);
  assert.deepEqual(lab.store.state.images, []);
  const unnamed = await act(lab, server, "create_image");
  assert.match(text(unnamed.body.image?.description), /^snapshot \d{4}-/);
  assert.equal((await act(lab, server, "create_image", { description: "" })).body.image?.description, "");
});

void test("a snapshot that fails is no image, and the server is as it was", async () => {
  const lab = new FakeLab();
  const server = (await lab.server("one")).server?.id;
  await act(lab, server, "poweroff");
  lab.driver.failure = new Error("disk full");
  const { action, image } = (await act(lab, server, "create_image")).body;
  const outcome = (await lab.call("GET", `/actions/${text(action?.id)}`)).body.action;
  assert.deepEqual([outcome?.status, outcome?.error?.message], ["error", "disk full"]);
  assert.equal((await lab.call("GET", `/images/${text(image?.id)}`)).status, 404);
  assert.deepEqual(lab.store.state.images, []);
  assert.deepEqual(lab.store.state.servers[0]?.layers, []);
  assert.deepEqual([lab.store.state.servers[0].status, lab.store.state.servers[0].locked], ["off", false]);
});

void test("images are listed by type, status, server, name, architecture and labels", async () => {
  const lab = new FakeLab();
  const { image } = await snapshotted(lab, { labels: { app: "x" } });
  const count = async (query: string): Promise<number> =>
    ((await lab.call("GET", `/images?per_page=50&${query}`)).body.images as unknown as unknown[]).length;
  assert.equal(await count(""), 11);
  assert.equal(await count("type=system"), 10);
  assert.equal(await count("type=snapshot&status=available&include_deprecated=true"), 1);
  assert.equal(await count("type=snapshot&type=system"), 11);
  assert.equal(await count("status=creating"), 0);
  assert.equal(await count("bound_to=1001"), 0);
  assert.equal(await count("name=debian-13"), 2);
  assert.equal(await count("label_selector=app%3Dx"), 1);
  assert.equal(await count("type=snapshot&architecture=arm"), 0);
  const newest = (await lab.call("GET", "/images?sort=created:desc&per_page=1")).body;
  assert.deepEqual((newest.images as unknown as { id: number }[])[0]?.id, Number(image));
  assert.equal(newest.meta?.pagination?.total_entries, 11);
});

void test("an image's description and labels change, and its protection is honoured", async () => {
  const lab = new FakeLab();
  const { image } = await snapshotted(lab, { description: "old" });
  const path = `/images/${image}`;
  const put = await lab.call("PUT", path, { labels: { a: "b" }, type: "snapshot" });
  assert.deepEqual([put.body.image?.description, put.body.image?.labels], ["old", { a: "b" }]);
  assert.equal((await lab.call("PUT", path, { description: "new" })).body.image?.description, "new");
  for (const body of [{ description: 1 }, { labels: { "a b": "" } }, { type: "backup" }]) {
    assert.deepEqual(await codeOf(lab.call("PUT", path, body)), [422, "invalid_input"]);
  }
  const protect = `${path}/actions/change_protection`;
  assert.deepEqual(await codeOf(lab.call("POST", protect, { delete: "yes" })), [422, "invalid_input"]);
  const { status, body } = await lab.call("POST", protect, { delete: true });
  assert.deepEqual([status, body.action?.command, body.action?.status], [201, "change_protection", "success"]);
  assert.equal((await lab.call("GET", path)).body.image?.protection?.delete, true);
  assert.deepEqual(await codeOf(lab.call("DELETE", path)), [423, "protected"]);
  await lab.call("POST", protect, { delete: false });
  assert.equal((await lab.call("DELETE", path)).status, 204);
  assert.deepEqual(await codeOf(lab.call("DELETE", path)), [404, "not_found"]);
  assert.deepEqual(await codeOf(lab.call("GET", path)), [404, "not_found"]);
  assert.deepEqual(await codeOf(lab.call("PUT", path, {})), [404, "not_found"]);
});

void test("the catalog's images can't be changed, protected or deleted", async () => {
  const lab = new FakeLab();
  const path = `/images/${String(debian)}`;
  const refused = [422, "unsupported_error"];
  assert.deepEqual(await codeOf(lab.call("PUT", path, { description: "mine" })), refused);
  assert.deepEqual(await codeOf(lab.call("DELETE", path)), refused);
  assert.deepEqual(await codeOf(lab.call("POST", `${path}/actions/change_protection`, { delete: true })), refused);
  assert.equal((await lab.call("GET", path)).body.image?.name, "debian-13");
});

void test("an image's actions are listed", async () => {
  const lab = new FakeLab();
  const { image } = await snapshotted(lab);
  await lab.call("POST", `/images/${image}/actions/change_protection`, { delete: true });
  const commands = async (path: string): Promise<string[]> =>
    ((await lab.call("GET", path)).body.actions as unknown as { command: string }[]).map(({ command }) => command);
  assert.deepEqual(await commands(`/images/${image}/actions`), ["create_image", "change_protection"]);
  assert.deepEqual(await commands("/images/actions?status=success"), ["create_image", "change_protection"]);
  assert.deepEqual(await commands("/images/1/actions"), []);
});

void test("a deleted snapshot's layer stays as long as a server or a snapshot lies upon it", async () => {
  const lab = new FakeLab();
  const { server, image } = await snapshotted(lab);
  const two = (await lab.server("two", { image })).server?.id;
  const nested = text((await act(lab, two, "create_image")).body.image?.id);
  await lab.call("DELETE", `/images/${image}`);
  assert.equal(lab.driver.layers.size, 2);
  const shown = await imageOf(lab, two);
  assert.equal(shown?.id, Number(image));
  assert.match(text(shown.deleted), /^\d{4}-/);
  assert.equal((await lab.call("GET", `/images/${image}`)).status, 404);
  assert.equal((await lab.call("GET", "/images?type=snapshot")).body.meta?.pagination?.total_entries, 1);
  const again = { name: "three", server_type: "cx23", image: Number(image) };
  assert.deepEqual(await codeOf(lab.call("POST", "/servers", again)), [422, "invalid_input"]);
  await lab.call("DELETE", `/servers/${text(two)}`);
  await lab.lab.actions.settle();
  assert.equal(lab.driver.layers.size, 2, "the nested snapshot lies upon it");
  await act(lab, server, "rebuild", { image: Number(nested) });
  await lab.call("DELETE", `/images/${nested}`);
  assert.equal(lab.driver.layers.size, 2, "the rebuilt server lies upon both");
  await act(lab, server, "rebuild", { image: "debian-13" });
  assert.equal(lab.driver.layers.size, 0);
  assert.deepEqual(lab.store.state.images, []);
});

void test("a server whose own disk became a snapshot keeps that layer, whatever its image, until it is deleted", async () => {
  const lab = new FakeLab();
  const server = (await lab.server("one")).server?.id;
  await act(lab, server, "poweroff");
  const image = text((await act(lab, server, "create_image")).body.image?.id);
  await lab.call("DELETE", `/images/${image}`);
  assert.deepEqual([...lab.driver.layers], [layerOf(lab, image)]);
  await act(lab, server, "poweron");
  assert.deepEqual(lab.driver.booted?.layers, [layerOf(lab, image)]);
  await lab.call("DELETE", `/servers/${text(server)}`);
  await lab.lab.actions.settle();
  assert.equal(lab.driver.layers.size, 0);
  assert.deepEqual(lab.store.state.images, []);
});

void test("a snapshot that is deleted while a rebuild to it begins keeps its layer", async () => {
  const lab = new FakeLab();
  const { server, image } = await snapshotted(lab);
  await lab.call("POST", `/servers/${text(server)}/actions/rebuild`, { image: Number(image) });
  assert.equal((await lab.call("DELETE", `/images/${image}`)).status, 204);
  await lab.lab.actions.settle();
  assert.equal(lab.driver.layers.size, 1);
  assert.deepEqual(lab.driver.booted?.layers, [layerOf(lab, image)]);
});

void test("after a crash a snapshot is whole if its layer is there, else gone, and the server is as it was", async () => {
  for (const isWhole of [true, false]) {
    const lab = new FakeLab();
    const { server, image } = await snapshotted(lab);
    const [snapshot] = lab.store.state.images;
    const [record] = lab.store.state.servers;
    assert.ok(snapshot !== undefined && record !== undefined);
    snapshot.status = "creating";
    record.layers = [layerOf(lab, image)];
    if (!isWhole) {
      lab.driver.layers.clear();
    }
    await adoptSnapshots(lab.lab);
    assert.ok(lab.driver.calls.includes(`resume ${text(server)}`));
    assert.equal((await lab.call("GET", `/images/${image}`)).body.image?.status, isWhole ? "available" : undefined);
    assert.deepEqual(record.layers, isWhole ? [layerOf(lab, image)] : []);
  }
});

void test("snapshots are remembered, and a state file from before there were any is read", async () => {
  const dir = mkdtempSync(join(tmpdir(), "lab-state-"));
  try {
    const path = join(dir, "state.json");
    const { image } = await snapshotted(new FakeLab(path));
    assert.equal((await new FakeLab(path).call("GET", `/images/${image}`)).body.image?.status, "available");
    const { images, ...older } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    assert.ok(Array.isArray(images));
    writeFileSync(path, JSON.stringify(older));
    const lab = new FakeLab(path);
    assert.deepEqual(lab.store.state.images, []);
    assert.equal(lab.store.state.servers[0]?.name, "one");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
