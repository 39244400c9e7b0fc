import assert from "node:assert/strict";
import { test } from "node:test";
import { dashboardUrl } from "../../components/layers/dashboard";

// The dashboard's address goes into the gateway's settings and names the device that is removed at the end.

const place = { https: true, hostname: "gateway" };
const served = "https://gateway.tail1234.ts.net";
/** An answer as the dashboard layer gives it. */
const answered = (url: string) => `dashboard: ${url}\ndashboard: serves ${url}/ -> http://127.0.0.1:18789\n`;

void test("the address is the host's own name in a tailnet's domain, or that name with a number", () => {
  for (const url of [served, "https://gateway-1.tail1234.ts.net", "https://gateway-27.example.org"]) {
    assert.equal(dashboardUrl(answered(url), place), url);
  }
  const plain = "http://gateway.tail1234.ts.net";
  assert.equal(dashboardUrl(answered(plain), { ...place, https: false }), plain);
});

const refused: Readonly<Record<string, string>> = {
  nothing: "",
  "no address": "dashboard: unchanged\n",
  "another layer's line": `tailnet: ${served}\n`,
  "another name": answered("https://other.tail1234.ts.net"),
  "a word behind the name": answered("https://gateway-x.tail1234.ts.net"),
  "a number and a word behind the name": answered("https://gateway-1x.tail1234.ts.net"),
  "a hyphen behind the name": answered("https://gateway-.tail1234.ts.net"),
  "two numbers behind the name": answered("https://gateway-1-2.tail1234.ts.net"),
  "a letter behind the name": answered("https://gatewayx.tail1234.ts.net"),
  "the name as a label behind the first": answered("https://other.gateway.tail1234.ts.net"),
  "the name in capitals": answered("https://GATEWAY.tail1234.ts.net"),
  "another scheme": answered("http://gateway.tail1234.ts.net"),
  "a scheme that browsers don't know": answered("ftp://gateway.tail1234.ts.net"),
  "no domain": answered("https://gateway"),
  "an empty domain": answered("https://gateway."),
  "an empty label": answered("https://gateway.tail1234..net"),
  "a dot at the end": answered("https://gateway.tail1234.ts.net."),
  "a hyphen before a label": answered("https://gateway.-tail1234.ts.net"),
  "a hyphen behind a label": answered("https://gateway.tail1234-.ts.net"),
  "an underscore in a label": answered("https://gateway.tail_1234.ts.net"),
  "a port": answered(`${served}:8443`),
  "a path": answered(`${served}/x`),
  "a user": answered("https://gateway.tail1234.ts.net@evil.example"),
  "a blank before it": `dashboard:  ${served}\n`,
  "something before it": `x dashboard: ${served}\n`,
  "something behind it": `dashboard: ${served} https://evil.example\n`,
  "an end of line of another system": `dashboard: ${served}\r\n`,
  "a second line with another device's": answered(served) + answered("https://other.tail1234.ts.net"),
  "a second line, with another tailnet's": answered(served) + answered("https://gateway.evil.example"),
  "a second line, before its own": answered("https://gateway.evil.example") + answered(served),
};

for (const [what, answer] of Object.entries(refused)) {
  void test(`an answer has no address of this host: ${what}`, () => {
    assert.throws(
      () => dashboardUrl(answer, place),
      /^Error: the dashboard layer's answer doesn't have just one https address/,
    );
  });
}
