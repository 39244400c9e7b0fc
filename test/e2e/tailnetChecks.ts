import assert from "node:assert/strict";
import { until, type Attacker } from "./attacker";
import { rowsOfContainers } from "./auditMutations";
import { fingerprint } from "./hostTest";
import type { Ran } from "./stack";
import { nameOf, place, type Sender } from "./tailnetHost";

/** How {@link tailTest} of tailscale.test.ts is called. */
export type TailTest = (name: string, body: (sender: Sender, peer: Attacker) => Promise<void>) => void;

interface Report {
  readonly fail: number;
  readonly rows: readonly { readonly row: string; readonly status: string; readonly detail: string }[];
}

/** The dashboard's address on the tailnet. */
export const url = `http://${nameOf(place.hostname)}`;
/** What the host serves, in tailnet-facts' words. */
export const served = `${url}/ -> http://127.0.0.1:18789`;

/** The layer went, and its last line says this. */
export function applied(result: Ran, says: string): void {
  assert.deepEqual([result.exitCode, result.stdout.split("\n").at(-1)], [0, says], result.all);
}

/** The layer failed, and was put back. */
export function failed(result: Ran, says: RegExp): void {
  assert.equal(result.exitCode, 91, result.all);
  assert.match(result.all, says);
}

/** What `monoclaw-security` finds. */
export async function audit(sender: Sender): Promise<Report> {
  return JSON.parse((await sender.stack.tryRoot("monoclaw-security --json")).stdout) as Report;
}

/** The rows that don't pass, without the lab's own. */
export async function findings(sender: Sender): Promise<string[]> {
  const { rows } = await audit(sender);
  return rows
    .flatMap(({ row, status }) => (status === "PASS" || rowsOfContainers.includes(row) ? [] : [`${status} ${row}`]))
    .sort();
}

/** Every row passes, as soon as Tailscale has no complaint left: it takes one back some seconds after its cause. */
export async function passes(sender: Sender): Promise<void> {
  let found: readonly string[] = [];
  const clean = async () => (found = await findings(sender)).length === 0;
  await until("every row passes", 60, clean).catch(() => {
    assert.deepEqual(found, []);
  });
}

/** The tailnet's line of `monoclaw-status`. */
export async function line({ stack }: Sender): Promise<string> {
  return /^[ !] tailnet +(.*)$/m.exec((await stack.tryRoot("monoclaw-status")).stdout)?.[1] ?? "";
}

/** The gateway's process. */
export async function gatewayPid({ stack }: Sender): Promise<string> {
  return stack.root("systemctl show openclaw -p MainPID,ActiveState");
}

/** Everything that a layer which fails must leave as it is; one line each. */
export async function standing({ stack }: Sender): Promise<string[]> {
  // Tailscale's own listener on the tailnet has another port each time, and none while the login is refused.
  const volatile =
    /\/var\/lib\/monoclaw\/openclaw-audit$|\/etc\/(passwd|shadow|group|gshadow|subuid|subgid)-$|^(100\.64\.\d+\.\d+|\[fd7a:115c:a1e0:[0-9a-f:]*\]):\d+$/;
  return (await fingerprint(stack)).split("\n").filter((each) => !volatile.test(each));
}

/** The two are the same, but for times of folders; a difference is shown alone. */
export function same(now: readonly string[], before: readonly string[]): void {
  const [old, fresh] = [new Set(before), new Set(now)];
  assert.deepEqual(
    [
      ...before.filter((each) => !fresh.has(each)).map((each) => `- ${each}`),
      ...now.filter((each) => !old.has(each)).map((each) => `+ ${each}`),
    ],
    [],
  );
}

/** The dashboard opens for the peer, as soon as the two have found each other. */
export async function opens(peer: Attacker): Promise<void> {
  await until(`${url} answers the peer`, 60, async () => (await status(peer, url)) === "200");
}

/** The HTTP status that the peer gets, `000` for no connection. */
export async function status(peer: Attacker, address: string): Promise<string> {
  return (await peer.run(`curl -s -o /dev/null -w '%{http_code}' --max-time 3 ${address}`)).stdout;
}
