import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { removeDevice } from "../../lib/removeDevice";

const devices = [
  { id: "1", name: "gateway.tail1234.ts.net", tags: ["tag:monoclaw"] },
  { id: "2", name: "gateway-1.tail1234.ts.net", tags: ["tag:other"] },
  { id: "3", name: "laptop.tail1234.ts.net" },
];
let calls: string[] = [];
let environment: Record<string, string> = {};
const server = createServer((request, response) => {
  calls.push(`${request.method ?? ""} ${request.url ?? ""} ${request.headers.authorization ?? "-"}`);
  if (request.url === "/api/v2/oauth/token") response.end(JSON.stringify({ access_token: "token" }));
  else if (request.headers.authorization === "Bearer wrong")
    response.writeHead(401).end('{"message":"API token invalid"}');
  else response.end(request.method === "GET" ? JSON.stringify({ devices }) : "");
});

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
after(() => {
  server.close();
});
beforeEach(() => {
  calls = [];
  const { port } = server.address() as AddressInfo;
  environment = {
    TAILSCALE_BASE_URL: `http://127.0.0.1:${String(port)}/`,
    TAILSCALE_API_KEY: "key",
    MONOCLAW_DEVICE: "gateway.tail1234.ts.net",
    MONOCLAW_TAG: "tag:monoclaw",
  };
});

void test("the device of exactly this name and tag is removed, and no other", async () => {
  assert.match(await removeDevice(environment), /removed gateway/);
  assert.deepEqual(calls, ["GET /api/v2/tailnet/-/devices Bearer key", "DELETE /api/v2/device/1 Bearer key"]);
  for (const name of ["gateway-1.tail1234.ts.net", "laptop.tail1234.ts.net", "gateway", ""]) {
    calls = [];
    assert.match(await removeDevice({ ...environment, MONOCLAW_DEVICE: name }), /it stays|is no device/);
    assert.ok(!calls.some((call) => call.startsWith("DELETE")), name);
  }
});

void test("as an OAuth client; what the API refuses is an error", async () => {
  const client = { TAILSCALE_OAUTH_CLIENT_ID: "id", TAILSCALE_OAUTH_CLIENT_SECRET: "secret" };
  await removeDevice({ ...environment, TAILSCALE_API_KEY: undefined, ...client });
  assert.equal(calls.at(-1), "DELETE /api/v2/device/1 Bearer token");
  await assert.rejects(removeDevice({ ...environment, TAILSCALE_API_KEY: "wrong" }), /401 .*API token invalid/);
});
