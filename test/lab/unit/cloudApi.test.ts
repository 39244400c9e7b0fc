import assert from "node:assert/strict";
import { test } from "node:test";
import { Call, callAndWait } from "../cloudApi";
import { FakeLab, Json, text } from "./fakes";

/** Calls of the tests' client, answered by a fake lab. */
const over =
  (lab: FakeLab): Call =>
  async <T>(...[method, path, body]: Parameters<Call>) => {
    const answer = await lab.call(method, `/${path}`, body);
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
    return answer.body as T;
  };

/** Makes the next boot last until it is told to go on. */
function heldBack(lab: FakeLab): () => void {
  let open = (): void => undefined;
  lab.driver.gate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

void test("a call that starts actions is over when they are, whatever the answer calls them", async () => {
  const lab = new FakeLab();
  const call = over(lab);
  const goOn = heldBack(lab);
  const wish = { name: "web", server_type: "cx23", image: "debian-13" };
  let isBack = false;
  const making = callAndWait<Json>(call, "POST", "servers", wish).then((answer) => {
    isBack = true;
    return answer;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(isBack, false, "next_actions are still running");
  goOn();
  const path = `servers/${text((await making)["server"]?.["id"])}`;
  // At once: nothing is locked any more.
  await callAndWait(call, "POST", `${path}/actions/poweroff`);
  assert.equal((await call<Json>("GET", path))["server"]?.["status"], "off");
  const apply_to = [{ type: "server", server: { id: (await making)["server"]?.["id"] } }];
  await callAndWait(call, "POST", "firewalls", { name: "closed", rules: [], apply_to });
  assert.deepEqual(lab.driver.filter[0]?.rules, [], "actions");
  await callAndWait(call, "DELETE", path);
  assert.deepEqual((await call<Json>("GET", "servers"))["servers"], []);
});

void test("an action that fails or doesn't end is an error that names it", async () => {
  const lab = new FakeLab();
  const { server } = await lab.server("web");
  const poweron = `servers/${text(server?.["id"])}/actions/poweron`;
  await callAndWait(over(lab), "POST", poweron.replace("poweron", "poweroff"));
  const goOn = heldBack(lab);
  await assert.rejects(
    callAndWait(over(lab), "POST", poweron, undefined, 0.1),
    /gave up after 0\.1 s waiting for action \d+ \(start_server\) of POST servers\/\d+\/actions\/poweron/,
  );
  goOn();
  await lab.lab.actions.settle();
  await callAndWait(over(lab), "POST", poweron.replace("poweron", "poweroff"));
  lab.driver.failure = new Error("no power");
  await assert.rejects(callAndWait(over(lab), "POST", poweron), /\(start_server\) .* failed: no power$/);
  const actions = await callAndWait<Json>(over(lab), "GET", "actions");
  assert.equal(Array.isArray(actions["actions"]), true, "a list of old actions, one of which failed");
});
