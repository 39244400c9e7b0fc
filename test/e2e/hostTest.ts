import { test, type TestContext } from "node:test";
import { disturbedStack, sharedStack, type TestStack } from "./stack";

/** One test that takes longer hangs; it is named, and its file goes on. */
const DEADLINE_MS = 10 * 60_000;

let shared: Promise<TestStack> | undefined;
let disturbed: Promise<TestStack> | undefined;

/** A test on the host that all test files share. If it fails, the error ends with the host's journal. */
export function hostTest(name: string, body: (stack: TestStack) => Promise<void>): void {
  stackTest(name, () => (shared ??= sharedStack()), body);
}

/** A test that would disturb the others, on a host that only such tests share. It leaves a host that the next one can use. */
export function disturbingTest(name: string, body: (stack: TestStack) => Promise<void>): void {
  stackTest(name, () => (disturbed ??= disturbedStack()), body);
}

/** A test on a stack of its own. If it fails, the error ends with the host's journal. */
export function stackTest(
  name: string,
  make: () => Promise<TestStack>,
  body: (stack: TestStack) => Promise<void>,
): void {
  void test(name, { timeout: DEADLINE_MS }, async () => {
    const stack = await make();
    await withLog(stack, () => body(stack));
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

/** The files that layers own, what runs, and what the firewall says: a change of any shows. */
export async function fingerprint(stack: TestStack): Promise<string> {
  return stack.root(`set -euo pipefail
    paths=(/etc /usr/local /var/lib/monoclaw /var/lib/openclaw/.openclaw/openclaw.json)
    find "\${paths[@]}" -printf '%p %y %m %U:%G %l\\n' | sort
    find "\${paths[@]}" -type f -print0 | sort -z | xargs -0 sha256sum
    ls -A /opt/openclaw; dpkg-query -W -f '\${Package} \${db:Status-Status}\\n'
    ufw status verbose; sshd -T | sort; ss -Hltn | awk '{print $4}' | sort
    systemctl show ssh ufw openclaw -p Id,ActiveState,UnitFileState; systemctl show openclaw -p MainPID
    systemctl list-units --all --plain --no-legend 'monoclaw-revert-*'`);
}
