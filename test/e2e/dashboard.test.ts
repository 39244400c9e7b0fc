import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { openPorts } from "./attacker";
import { entry } from "./deviceList";
import { artifacts, Desk } from "./desk";
import { keptHost } from "./kinds";
import type { TestStack } from "./stack";
import { currentPolicy, editPolicy } from "./tailnetStack";

/** Ports of the SOCKS5 proxies of the nodes on the desk. Alice may open the dashboard, mallory is just another user. */
const proxies = { alice: 1055, mallory: 1056 } as const;
const seconds = 1000;

let stack: TestStack;
let origin: string;
let desk: Desk;
const folder = mkdtempSync(join(tmpdir(), "monoclaw-dashboard-"));

before(async () => {
  mkdirSync(artifacts, { recursive: true });
  stack = await keptHost("tailnet");
  desk = await Desk.make("desk");
  const { gateway: url = "" } = (await stack.outputs())["dashboardUrl"] as Readonly<Record<string, string>>;
  origin = url.replace(/\/$/, "");
  await Promise.all(Object.entries(proxies).map(([user, port]) => desk.join(user, port)));
});

after(() => {
  rmSync(folder, { recursive: true });
});

/** The HTTP status that a node of the desk gets for a URL; nothing if nobody answers in time. */
async function status(user: keyof typeof proxies, url: string): Promise<string> {
  const curl = `curl -s -o /dev/null -w '%{http_code}' --max-time 4 --proxy socks5h://127.0.0.1:${String(proxies[user])}`;
  const { stdout } = await desk.run(`${curl} '${url}'`);
  return stdout === "000" ? "" : stdout;
}

/** The host's address on the tailnet. */
async function tailnetAddress(): Promise<string> {
  return (await stack.root("tailscale ip -4")).trim();
}

/** Looks at the page until its heading is this one. */
async function heading(page: Page, name: string): Promise<void> {
  await page.getByRole("heading", { name, level: 1 }).waitFor({ timeout: 30 * seconds });
}

/** The ID that the page shows once the browser waits for its approval. */
async function waitingId(page: Page): Promise<string> {
  await heading(page, "Approve this browser");
  return /devices approve ([0-9a-f-]{36})/.exec(await page.locator("body").innerText())?.[1] ?? "none";
}

/** SHA-256 of the key that the browser has made for itself. */
async function fingerprint(page: Page): Promise<string> {
  const key = await page.evaluate<string>("JSON.parse(localStorage.getItem('openclaw-device-identity-v1')).publicKey");
  return createHash("sha256").update(Buffer.from(key, "base64url")).digest("hex");
}

/** Gives the page a token, as a person does. */
async function connect(page: Page, token: string): Promise<void> {
  await page.getByRole("textbox", { name: "Gateway secret" }).fill(token);
  await page.getByRole("button", { name: "Connect", exact: true }).click();
}

async function config(words: string): Promise<string> {
  const { exitCode, all } = await stack.ssh(`sudo -n monoclaw-config ${words}`);
  assert.equal(exitCode, 0, all);
  return all;
}

void test("a person's browser on the tailnet: asked for the token, approved on the host, connected, sent away again", async () => {
  const browser = await desk.browse(proxies.alice, join(folder, "alice"));
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    const keep = (name: string) => page.screenshot({ path: join(artifacts, `dashboard-${name}.png`) });
    await page.goto(`${origin}/`);
    await heading(page, "This Gateway expects its token");

    await connect(page, "0".repeat(64));
    await page.getByText("rejected the supplied Gateway secret").waitFor({ timeout: 30 * seconds });
    await keep("1-wrong-token");
    const key = await fingerprint(page);
    assert.ok(!(await config("devices")).includes(key), "with a wrong token it doesn't even wait");

    await connect(page, await stack.token());
    const id = await waitingId(page);
    await keep("2-waits");
    const waits = entry(await config("devices"), id);
    assert.match(waits, /^ {4}address {3}100\.64\.0\.\d+, alice of alice@example\.com$/m);
    assert.match(waits, new RegExp(`^    key       SHA-256 ${key}$`, "m"));
    await page.getByRole("button", { name: "Check now" }).click();
    assert.equal(await waitingId(page), id, "still waits");

    assert.match(await config(`approve ${id}`), new RegExp(`^approved: ${key}$`, "m"));
    const connected = page.getByRole("status").filter({ hasText: /^Connected$/ });
    await connected.waitFor({ timeout: 60 * seconds, state: "attached" });
    await page.getByRole("textbox", { name: "Chat composer" }).waitFor();
    await keep("3-connected");
    assert.match(entry(await config("devices"), key), /^ {4}connected now$/m);
    // HTTP within WireGuard: OpenClaw's page needs no secure context, and no setting of the browser or the host pretends one.
    assert.equal(await page.evaluate("isSecureContext"), origin.startsWith("https:"));
    await page.reload();
    await connected.waitFor({ timeout: 60 * seconds, state: "attached" });

    assert.match(await config(`forget ${key}`), new RegExp(`^removed: ${key}$`, "m"));
    await page
      .getByText("Reconnecting")
      .first()
      .waitFor({ timeout: 30 * seconds });
    await page.reload();
    const again = await waitingId(page);
    assert.notEqual(again, id);
    await config(`forget ${again}`);
  } finally {
    await browser.close();
  }
});

void test("a node that the policy doesn't grant gets no answer, and doesn't even see the host", async () => {
  const address = await tailnetAddress();
  assert.equal(await status("alice", `${origin}/`), "200", "the way is there");
  assert.deepEqual([await status("mallory", `${origin}/`), await status("mallory", `http://${address}/`)], ["", ""]);
  const seen = async (user: string) => (await desk.run(`tailscale --socket=/run/${user}.sock status`)).stdout;
  assert.match(await seen("alice"), new RegExp(`^${address} `, "m"));
  assert.doesNotMatch(await seen("mallory"), new RegExp(`^${address} `, "m"));
  const browser = await desk.browse(proxies.mallory, join(folder, "mallory"));
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    await assert.rejects(page.goto(`${origin}/`, { timeout: 30 * seconds }), /net::ERR_/);
  } finally {
    await browser.close();
  }
});

void test("the host's public address answers on the SSH port alone while the dashboard is served", async () => {
  const run = (script: string, input: string) => desk.run(script, input);
  assert.equal(await status("alice", `${origin}/`), "200");
  assert.deepEqual(await openPorts(run, await stack.address()), [22022]);
});

void test("the gateway's own port is closed on the tailnet, even to those whom the policy lets through", async () => {
  const address = await tailnetAddress();
  assert.equal(await status("alice", `http://${address}:18789/`), "");
  const policy = await currentPolicy();
  const rule = "in on tailscale0 to any port 22022 proto tcp";
  await editPolicy('{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]}');
  try {
    // By another port, which the host opens for that, it shows that the new policy counts. To ufw it is one rule: the verdict changes.
    await stack.root(`ufw allow ${rule}`);
    const ssh = `curl -s --http0.9 --max-time 2 --proxy socks5h://127.0.0.1:${String(proxies.alice)} http://${address}:22022/`;
    const { stdout } = await desk.run(
      `until [[ $(${ssh} | head -c 8) == SSH-2.0- ]]; do ((SECONDS < 30)) || exit 1; done; echo open`,
    );
    assert.equal(stdout, "open\n");
    assert.equal(await status("alice", `http://${address}:18789/`), "");
  } finally {
    await stack.root(`ufw deny ${rule}`);
    await editPolicy(policy);
  }
});
