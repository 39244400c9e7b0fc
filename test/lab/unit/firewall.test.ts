import assert from "node:assert/strict";
import { test } from "node:test";
import { isNetwork } from "../../../lab/api/firewalls";
import { renderFilter } from "../../../lab/host/firewall";
import { FilteredHost, FirewallRule } from "../../../lab/host/spec";
import { instanceOf } from "../../../lab/instances";
import { FakeLab, text } from "./fakes";

const rule = (extra: Partial<FirewallRule>): FirewallRule => ({
  direction: "in",
  protocol: "tcp",
  port: "22",
  source_ips: ["0.0.0.0/0", "::/0"],
  destination_ips: [],
  description: null,
  ...extra,
});

const host = (rules: readonly FirewallRule[] | undefined): FilteredHost => ({
  id: 7,
  ipv4: "10.77.90.10",
  ipv6: "fd77:90:0:a::/64",
  rules,
});

/** The lines of one chain. */
function chain(rules: readonly FirewallRule[] | undefined, name: string): string[] {
  const filter = renderFilter(instanceOf("test"), [host(rules)]);
  const body = new RegExp(`chain ${name} \\{\\n([^]*?)\\n  \\}`).exec(filter)?.[1] ?? "";
  return body.split("\n").map((line) => line.trim());
}

void test("without a firewall everything reaches the host", () => {
  assert.deepEqual(chain(undefined, "to_h7"), ["accept"]);
});

void test("a firewall without rules lets answers in and nothing else", () => {
  assert.deepEqual(chain([], "to_h7"), ["ct state established,related accept", "drop"]);
});

void test("inbound rules open exactly what they say, in both families", () => {
  const rules = [
    rule({}),
    rule({ port: "80-85", source_ips: ["192.0.2.0/24", "2001:db8::/32"] }),
    rule({ protocol: "udp", port: "any", source_ips: ["192.0.2.1/32"] }),
    rule({ protocol: "icmp", port: null }),
    rule({ protocol: "esp", port: null, source_ips: ["::/0"] }),
  ];
  assert.deepEqual(chain(rules, "to_h7"), [
    "ct state established,related accept",
    "meta nfproto ipv4 tcp dport 22 accept",
    "meta nfproto ipv6 tcp dport 22 accept",
    "ip saddr { 192.0.2.0/24 } tcp dport 80-85 accept",
    "ip6 saddr { 2001:db8::/32 } tcp dport 80-85 accept",
    "ip saddr { 192.0.2.1/32 } meta l4proto udp accept",
    "meta nfproto ipv4 meta l4proto icmp accept",
    "meta nfproto ipv6 meta l4proto ipv6-icmp accept",
    "meta nfproto ipv6 meta l4proto esp accept",
    "drop",
  ]);
});

void test("outbound is open until there is an outbound rule; the host's own addresses only", () => {
  const own = [
    "meta nfproto ipv4 ip saddr != 10.77.90.10 drop",
    "meta nfproto ipv6 ip6 saddr != fd77:90:0:a::/64 drop",
  ];
  assert.deepEqual(chain([rule({})], "from_h7"), own);
  const out = rule({ direction: "out", port: "443", source_ips: [], destination_ips: ["0.0.0.0/0"] });
  assert.deepEqual(chain([out], "from_h7"), [
    ...own,
    "ct state established,related return",
    "ip daddr 10.77.90.1 ct status dnat return",
    "meta nfproto ipv4 tcp dport 443 return",
    "drop",
  ]);
});

void test("networks of rules are in CIDR notation without host bits", () => {
  for (const good of ["0.0.0.0/0", "::/0", "192.0.2.0/24", "192.0.2.1/32", "2001:db8::/32", "2001:db8::1/128"]) {
    assert.equal(isNetwork(good), true, good);
  }
  for (const bad of [
    "192.0.2.1",
    "192.0.2.1/24",
    "192.0.2.0/33",
    "2001:db8::1/64",
    "::/129",
    "x/0",
    "1.2.3.4/0/0",
    "/0",
  ]) {
    assert.equal(isNetwork(bad), false, bad);
  }
});

void test("firewalls: attached at creation, by label, by action; in the filter before the boot", async () => {
  const lab = new FakeLab();
  const rules = [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["0.0.0.0/0"] }];
  const made = await lab.call("POST", "/firewalls", { name: "direct", rules });
  const selector = { type: "label_selector", label_selector: { selector: "role=web" } };
  const byLabel = await lab.call("POST", "/firewalls", { name: "label", rules: [], apply_to: [selector] });
  const id = made.body.firewall?.id;
  let inForce: unknown;
  lab.driver.gate = Promise.resolve().then(() => {
    inForce = lab.driver.filter[0]?.rules?.length;
  });
  const body = await lab.server("one", { firewalls: [{ firewall: id }], labels: { role: "web" } });
  assert.equal(inForce, undefined, "the gate opens before: only the boot may wait for it");
  assert.equal(lab.driver.filter[0]?.rules?.length, 1);
  const server = { type: "server", server: { id: body.server?.id } };
  const shown = await lab.call("GET", `/firewalls/${text(id)}`);
  assert.deepEqual(shown.body.firewall?.applied_to, [server]);
  const again = await lab.call("POST", `/firewalls/${text(id)}/actions/apply_to_resources`, { apply_to: [server] });
  assert.deepEqual([again.status, again.body.error?.code], [409, "firewall_already_applied"]);
  assert.equal((await lab.call("DELETE", `/firewalls/${text(id)}`)).body.error?.code, "resource_in_use");
  const removal = await lab.call("POST", `/firewalls/${text(id)}/actions/remove_from_resources`, {
    remove_from: [server],
  });
  assert.equal(removal.status, 201);
  await lab.lab.actions.settle();
  assert.deepEqual(lab.driver.filter[0].rules, []);
  assert.equal((await lab.call("DELETE", `/firewalls/${text(id)}`)).status, 204);
  await lab.call("PUT", `/servers/${text(body.server?.id)}`, { labels: {} });
  const shownServer = await lab.call("GET", `/servers/${text(body.server?.id)}`);
  assert.deepEqual(shownServer.body.server?.public_net?.firewalls, []);
  assert.equal(byLabel.status, 201);
});

void test("firewall rules that can't be are refused, all of them in one answer", async () => {
  const lab = new FakeLab();
  const rules = [
    { direction: "in", protocol: "tcp", port: "0", source_ips: ["0.0.0.0/0"] },
    { direction: "in", protocol: "icmp", port: "1", source_ips: ["0.0.0.0/0"] },
    { direction: "in", protocol: "udp", source_ips: ["10.0.0.1/8"] },
    { direction: "out", protocol: "tcp", port: "any" },
  ];
  const answer = await lab.call("POST", "/firewalls", { name: "bad", rules });
  const fields = answer.body.error?.details?.fields as unknown as { name: string }[];
  assert.deepEqual(
    fields.map(({ name }) => name),
    ["rules.0.port", "rules.1.port", "rules.2.port", "rules.2.source_ips", "rules.3.destination_ips"],
  );
});
