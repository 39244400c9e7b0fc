import { host, stepsOn } from "../e2e/hostTest";
import type { Start } from "../e2e/kinds";
import type { TestStack } from "../e2e/stack";

/** Who attacks, and what he has. */
export type Who =
  | "neighbour" // a host on the same network, without a key
  | "primary user" // a shell of the primary user's
  | "deploy key" // the key that hands envelopes in, and what it has seen on its way
  | "gateway" // a process of the gateway's user
  | "model"; // what an agent's model says, or words that it read

/** An attack, tried in as many ways as there are; the body throws if the way works. */
export type Attack = (
  name: string,
  who: Who,
  ways: readonly string[],
  body: (stack: TestStack, way: string) => Promise<void>,
) => void;

/**
 * Attacks on this file's host of kind ssh. Each way is a test of its own within the attack's, and all are tried. At the end of a run a table
 * says how many were tried and how many the host held against.
 */
export function attacks(start: Start = {}): Attack {
  const hostTest = host("ssh", start);
  return (name, who, ways, body) => {
    hostTest(`attack by the ${who}: ${name}`, async (stack, t) => {
      const step = stepsOn(t, stack);
      for (const way of ways) {
        await step(way, () => body(stack, way));
      }
    });
  };
}
