import { test, type TestContext } from "node:test";
import { keptHost, type Kind, type Start } from "./kinds";
import type { TestStack } from "./stack";

/** One test that takes longer hangs; it is named, and its file goes on. */
const DEADLINE_MS = 10 * 60_000;

/** A test on this file's host. If it fails, the error ends with the host's journal. */
export type HostTest = (name: string, body: HostBody) => void;
type HostBody = (stack: TestStack, t: TestContext) => Promise<void>;

/**
 * Says which kind of host the tests of this file need. They share it, one after the other; no other file's tests have touched it,
 * and none gets to see what these leave of it.
 */
export function host(kind: Kind, start: Start = {}): HostTest {
  return (name, body) => {
    stackTest(name, () => keptHost(kind, start), body);
  };
}

/** A test on a stack of its own. If it fails, the error ends with the host's journal. */
export function stackTest(name: string, make: () => Promise<TestStack>, body: HostBody): void {
  void test(name, { timeout: DEADLINE_MS }, async (t) => {
    const stack = await make();
    await withLog(stack, () => body(stack, t));
  });
}

/** Steps of one long test, each of which goes on from where the one before it ended. */
export function stepsOn(t: TestContext, stack: TestStack): (name: string, body: () => Promise<void>) => Promise<void> {
  return (name, body) => t.test(name, () => withLog(stack, body));
}

async function withLog(stack: TestStack, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`${said}\n${await stack.hostLog()}`, { cause: error });
  }
}

/**
 * The files that layers own, what runs, and what the firewall says: a change of any shows. What a layer was given last is no part of it: that
 * is remembered also if it failed.
 */
export async function fingerprint(stack: TestStack): Promise<string> {
  return stack.root(`set -euo pipefail
    paths=(/etc /usr/local /var/lib/monoclaw /var/lib/openclaw/.openclaw/openclaw.json)
    find "\${paths[@]}" -path '/var/lib/monoclaw/given/*' -prune -o -printf '%p %y %m %U:%G %l\\n' | sort
    find "\${paths[@]}" -path '/var/lib/monoclaw/given/*' -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
    ls -A /opt/openclaw; dpkg-query -W -f '\${Package} \${db:Status-Status}\\n'
    ufw status verbose; sshd -T | sort; ss -Hltn | awk '{print $4}' | sort
    systemctl show ssh ufw openclaw -p Id,ActiveState,UnitFileState; systemctl show openclaw -p MainPID
    systemctl list-units --all --plain --no-legend 'monoclaw-revert-*'`);
}
