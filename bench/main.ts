import { sshKeyPair } from "../lib/keys";
import { stopLab } from "../lab/client";
import { instance, operatorKey, TestStack } from "../test/e2e/stack";

/** One step of a host's life and how long its command took, in seconds. */
interface Row {
  readonly step: string;
  readonly seconds: number;
}

/** Measures what an operator waits for, one after the other on one new host in the tests' lab. */
async function main(): Promise<void> {
  const stack = await TestStack.make("bench");
  const rows: Row[] = [];
  const measure = async (step: string, run: () => Promise<unknown>) => {
    const began = performance.now();
    await run();
    rows.push({ step, seconds: (performance.now() - began) / 1000 });
    process.stderr.write(`${step}: ${(rows.at(-1)?.seconds ?? 0).toFixed(1)} s\n`);
  };
  await measure("up from nothing to a gateway that serves", () => stack.upAsTyped());
  await measure("preview without a change", () => stack.pulumi("preview", "--expect-no-changes"));
  await measure("up without a change", () => stack.upAsTyped("--expect-no-changes"));
  const second = sshKeyPair("0d".repeat(32), "second@laptop").publicKey;
  stack.configure({ "monoclaw:authorizedKeys": [`${operatorKey}.pub`, second] });
  await measure("one setting: another authorized key", () => stack.upAsTyped());
  stack.configure({ "monoclaw:limits": { tasksMax: 120 } });
  await measure("one setting that restarts the gateway: tasksMax", () => stack.upAsTyped());
  const { rotateToken } = (await stack.outputs()) as { rotateToken: Record<string, string> };
  const urn = /--replace '(.*)'$/.exec(rotateToken["gateway"] ?? "")?.[1] ?? "";
  await measure("rotation of the token", () => stack.upAsTyped("--replace", urn));
  await measure("destroy", () => stack.destroy());
  await stopLab({ instance });
  console.table(rows.map(({ step, seconds }) => ({ step, seconds: Number(seconds.toFixed(1)) })));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
