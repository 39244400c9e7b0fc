import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLab, text } from "./fakes";

const ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHs4DIpIqvP0J9AmGZQBz0XUvt4k2axSCQcgVVRIQpxq";
const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbCoFTQU8q5mKJIpzVJEpkPEL2fRSxNfs4hIlB4ARLA";

void test("a request without the token is refused and changes nothing", async () => {
  const lab = new FakeLab();
  const answer = await lab.call("POST", "/ssh_keys", { name: "a", public_key: ed25519 }, "wrong");
  assert.equal(answer.status, 401);
  assert.equal(answer.body.error?.code, "unauthorized");
  assert.deepEqual(lab.store.state.sshKeys, []);
});

void test("unknown endpoints, broken JSON and resources that are not emulated say so", async () => {
  const lab = new FakeLab();
  assert.equal((await lab.call("GET", "/nonsense")).body.error?.code, "not_found");
  const broken = await lab.raw("/ssh_keys", "{");
  assert.deepEqual([broken.status, broken.body.error?.code], [400, "json_error"]);
  const list = await lab.raw("/ssh_keys", "[]");
  assert.deepEqual([list.status, list.body.error?.code], [400, "json_error"]);
  assert.deepEqual((await lab.call("GET", "/volumes")).body.volumes, []);
  assert.equal((await lab.call("GET", "/volumes/1")).status, 404);
  assert.equal((await lab.call("POST", "/volumes", {})).status, 501);
  assert.equal((await lab.call("GET", "/datacenters")).body.error?.code, "deprecated_api_endpoint");
});

void test("all mistakes of a request are reported at once, each with its field", async () => {
  const lab = new FakeLab();
  const answer = await lab.call("POST", "/servers", {
    name: "not_a_host",
    server_type: "cx0",
    image: "debian-13",
    location: "mars1",
    ssh_keys: [99],
    user_data: "x".repeat(32 * 1024 + 1),
    labels: { "bad key": "x" },
  });
  assert.equal(answer.status, 422);
  assert.equal(answer.body.error?.code, "invalid_input");
  const fields = answer.body.error.details?.fields as unknown as { name: string; messages: string[] }[];
  assert.deepEqual(fields.map(({ name }) => name).sort(), ["labels", "name", "server_type", "ssh_keys", "user_data"]);
  assert.ok(fields.every(({ messages }) => messages.length === 1));
  assert.deepEqual(lab.store.state.servers, []);
});

void test("user_data of exactly 32 KiB is accepted, counted in bytes", async () => {
  const lab = new FakeLab();
  await lab.server("fits", { user_data: "x".repeat(32 * 1024) });
  const wide = "é".repeat(16 * 1024 + 1);
  const answer = await lab.call("POST", "/servers", {
    name: "wide",
    server_type: "cx23",
    image: "debian-13",
    user_data: wide,
  });
  assert.equal(answer.status, 422);
});

void test("ssh keys: fingerprint, uniqueness, validation, update, delete", async () => {
  const lab = new FakeLab();
  const made = await lab.call("POST", "/ssh_keys", { name: "one", public_key: `${ed25519} me`, labels: { a: "b" } });
  assert.equal(made.status, 201);
  assert.equal(made.body.ssh_key?.fingerprint, "7c:c8:61:fa:b9:9c:2f:27:74:73:e2:28:80:da:46:96");
  const code = async (body: object): Promise<unknown> => (await lab.call("POST", "/ssh_keys", body)).body.error?.code;
  assert.equal(await code({ name: "two", public_key: ed25519 }), "uniqueness_error");
  assert.equal(await code({ name: "one", public_key: other }), "uniqueness_error");
  assert.equal(await code({ name: "two", public_key: "ssh-ed25519 AAAA" }), "invalid_input");
  assert.equal(await code({ name: "two", public_key: `ssh-rsa ${ed25519.split(" ")[1] ?? ""}` }), "invalid_input");
  assert.equal(await code({ public_key: other }), "invalid_input");
  const id = text(made.body.ssh_key.id);
  const renamed = await lab.call("PUT", `/ssh_keys/${id}`, { name: "uno" });
  assert.deepEqual([renamed.body.ssh_key?.name, renamed.body.ssh_key?.labels], ["uno", { a: "b" }]);
  assert.equal((await lab.call("DELETE", `/ssh_keys/${id}`)).status, 204);
  assert.equal((await lab.call("DELETE", `/ssh_keys/${id}`)).status, 404);
});

void test("lists: pages, filters, selectors and order", async () => {
  const lab = new FakeLab();
  for (let index = 0; index < 60; index += 1) {
    const labels = index % 2 === 0 ? { even: "yes", "a.b/c": String(index) } : {};
    await lab.call("POST", "/firewalls", { name: `f${String(index).padStart(2, "0")}`, labels });
  }
  const list = async (query: string): Promise<{ names: string[]; pagination: unknown }> => {
    const { body } = await lab.call("GET", `/firewalls?${query}`);
    const items = body.firewalls as unknown as { name: string }[];
    return { names: items.map(({ name }) => name), pagination: body.meta?.pagination };
  };
  assert.equal((await list("")).names.length, 25);
  const last = await list("per_page=500&page=2");
  assert.equal(last.names.length, 10);
  assert.deepEqual(last.pagination, {
    page: 2,
    per_page: 50,
    previous_page: 1,
    next_page: null,
    last_page: 2,
    total_entries: 60,
  });
  assert.deepEqual((await list("name=f07")).names, ["f07"]);
  assert.deepEqual((await list("sort=name:desc&per_page=2")).names, ["f59", "f58"]);
  const count = async (selector: string): Promise<number> =>
    (await list(`per_page=50&label_selector=${encodeURIComponent(selector)}`)).names.length;
  assert.equal(await count("even"), 30);
  assert.equal(await count("!even"), 30);
  assert.equal(await count("even=yes,a.b/c in (2, 4)"), 2);
  assert.equal(await count("even==yes,a.b/c notin (2,4)"), 28);
  assert.equal(await count("even!=yes"), 30);
  assert.equal((await lab.call("GET", "/firewalls?label_selector=%3D%3D")).status, 422);
  assert.equal((await lab.call("GET", "/firewalls?page=0")).status, 422);
  assert.equal((await lab.call("GET", "/firewalls?sort=name:up")).status, 422);
});

void test("server types, images and locations are found as the provider looks for them", async () => {
  const lab = new FakeLab();
  const images = await lab.call("GET", "/images?architecture=x86&include_deprecated=true&name=debian-13");
  assert.equal((images.body.images as unknown as unknown[]).length, 1);
  const types = await lab.call("GET", "/server_types?name=cx23");
  const [type] = types.body.server_types as unknown as { id: number; locations: unknown[]; prices: unknown[] }[];
  assert.equal(type?.locations.length, 3);
  assert.equal(type.prices.length, 3);
  assert.equal((await lab.call("GET", `/server_types/${String(type.id)}`)).body.server_type?.name, "cx23");
  assert.equal((await lab.call("GET", "/server_types/1")).status, 404);
  assert.equal((await lab.call("GET", "/locations/1")).body.location?.name, "fsn1");
});

void test("actions can be listed by number and status, as hcloud-go waits for them", async () => {
  const lab = new FakeLab();
  const made = await lab.server("one");
  const id = text(made.action?.id);
  const found = await lab.call("GET", `/actions?id=${id}&id=99999&sort=status&sort=id`);
  assert.deepEqual(
    (found.body.actions as unknown as { id: number; status: string }[]).map((action) => [action.id, action.status]),
    [[made.action?.id, "success"]],
  );
  const server = text(made.server?.id);
  const ofServer = await lab.call("GET", `/servers/${server}/actions?status=success`);
  assert.deepEqual(
    (ofServer.body.actions as unknown as { command: string }[]).map(({ command }) => command),
    ["create_server", "start_server"],
  );
  assert.equal((await lab.call("GET", `/servers/${server}/actions/${id}`)).body.action?.progress, 100);
  assert.equal((await lab.call("GET", "/actions/99999")).status, 404);
});
