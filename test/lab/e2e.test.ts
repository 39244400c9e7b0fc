import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { test, TestContext } from "node:test";
import { ensureLab, stopLab } from "../../lab/client";
import { instanceOf, labToken } from "../../lab/instances";
import { tryRun } from "../../lab/run";
import { crashTests } from "./e2eCrash";
import { hostTests } from "./e2eHost";
import { networkTests } from "./e2eNetwork";
import { snapshotTests } from "./e2eSnapshot";
import { evidence, instance, KeyPair, makeKeyPair, removeKeyPair } from "./labHost";
import { machineState } from "./machine";

const options = { instance, progress: () => undefined } as const;

/** One step of the whole; when it fails, what the hosts said is printed beside it. */
export type Step = (name: string, body: () => Promise<void>) => Promise<void>;

function stepOf(t: TestContext): Step {
  return (name, body) =>
    t.test(name, async (step) => {
      try {
        await body();
      } catch (error) {
        step.diagnostic(await evidence());
        throw error;
      }
    });
}

/** Something on the lab's port that isn't this checkout's lab. */
async function withImpostor(body: string, run: () => Promise<void>): Promise<void> {
  const server = createServer((_request, response) => response.end(body));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(instanceOf(instance).port, "127.0.0.1", resolve);
  });
  try {
    await run();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

async function refusesForeignLabs(): Promise<void> {
  await withImpostor(JSON.stringify({ instance, checkout: "/srv/other", version: "1", pid: 1 }), async () => {
    const message = /another checkout: \/srv\/other.*cd '\/srv\/other' && npm run lab -- down --instance selftest/;
    await assert.rejects(ensureLab(options), message);
    await assert.rejects(stopLab(options), message);
  });
  await withImpostor("<html>", async () => {
    await assert.rejects(ensureLab(options), /port 8470 is used by a program that is not the lab.*ss -ltnp/);
  });
}

async function startsOnce(): Promise<void> {
  const access = await ensureLab(options);
  assert.deepEqual(access, { endpoint: "http://127.0.0.1:8470/v1", token: labToken });
  // Two at once are one lab; a second start costs one call.
  await Promise.all([ensureLab(options), ensureLab(options)]);
  const started = Date.now();
  await ensureLab(options);
  assert.ok(Date.now() - started < 100, `a second start took ${String(Date.now() - started)} ms`);
}

/** The provider's own client, which nobody here wrote. */
async function hcloudGo(keys: KeyPair): Promise<void> {
  const folder = join(__dirname, "hcloudgo");
  const environment = [
    `LAB_ENDPOINT=${instanceOf(instance).endpoint}`,
    `LAB_TOKEN=${labToken}`,
    `LAB_PUBLIC_KEY=${keys.publicKey}`,
  ];
  const { stdout, stderr, exitCode } = await tryRun(["env", ...environment, "go", "run", "-C", folder, "."]);
  assert.equal(exitCode, 0, `${stdout}${stderr}`);
  assert.equal(stdout.match(/^ok /gm)?.length, 14, stdout);
}

void test("the lab, from nothing to nothing", { timeout: 600_000 }, async (t) => {
  const step = stepOf(t);
  const keys = makeKeyPair();
  await stopLab(options);
  const before = await machineState();
  try {
    await step(
      "a lab of another checkout, or a foreign program on its port, is left alone and named",
      refusesForeignLabs,
    );
    await step("it starts once, and again in no time", startsOnce);
    await step("hcloud-go works on it", () => hcloudGo(keys));
    await hostTests(step, keys);
    await snapshotTests(step, keys);
    await networkTests(step, keys);
    await crashTests(step, keys);
  } finally {
    await stopLab(options);
    removeKeyPair(keys);
  }
  await t.test("nothing is left on the machine", async () => {
    assert.deepEqual(await machineState(), before);
    assert.deepEqual(before.processes, []);
    await stopLab(options);
  });
});
