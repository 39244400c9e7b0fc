import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isLocal, requireLocal } from "../../../toolchain/standins/local";

const address = (ip: string) => ({
  address: ip,
  netmask: "",
  mac: "",
  internal: false,
  cidr: `${ip}/24`,
  family: "IPv4" as const,
});
const interfaces = { eth0: [address("203.0.113.5")], "mclab-dev": [address("10.77.80.1")] };
const routes: Record<string, string> = { "10.77.80.10": "mclab-dev", "10.1.1.1": "eth0", "8.8.8.8": "mclab-dev" };
const local = (ip: string): boolean => isLocal(ip, interfaces, (to) => routes[to]);

void describe("what counts as this machine", () => {
  for (const ip of ["127.0.0.1", "127.8.8.8", "::1", "203.0.113.5", "10.77.80.1", "10.77.80.10"]) {
    void it(`${ip} does`, () => {
      assert.equal(local(ip), true);
    });
  }
  // A neighbour, a private address behind the uplink, and a public one that is routed into the lab.
  for (const ip of ["203.0.113.6", "10.1.1.1", "8.8.8.8", "2001:db8::1", "fd00::99"]) {
    void it(`${ip} does not`, () => {
      assert.equal(local(ip), false);
    });
  }

  void it("names what was refused, why, and what to do", async () => {
    const refused = requireLocal("198.51.100.1", "connection.host", "command");
    await assert.rejects(refused, /^Error: connection\.host is 198\.51\.100\.1, which is not .*Install Pulumi/);
    await assert.rejects(requireLocal("no.such.host.invalid", "x", "y"), /x is no\.such\.host\.invalid, which is not/);
    assert.equal(await requireLocal("[::1]", "x", "y"), "::1");
    assert.match(await requireLocal("localhost", "x", "y"), /^(127\.0\.0\.1|::1)$/);
  });
});
