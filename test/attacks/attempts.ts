import { after } from "node:test";
import { host } from "../e2e/hostTest";
import type { Start } from "../e2e/kinds";
import type { TestStack } from "../e2e/stack";

/** Who attacks, and what he has. */
export type Who =
  | "neighbour" // a host on the same network, without a key
  | "primary user" // a shell of the primary user's
  | "deploy key" // the key that hands envelopes in, and what it has seen on its way
  | "gateway"; // a process of the gateway's user

/** An attack, tried in as many ways as there are; it throws if one works. */
export type Attack = (
  name: string,
  who: Who,
  ways: readonly string[],
  body: (stack: TestStack, way: string) => Promise<void>,
) => void;

/**
 * Attacks on this file's host of kind ssh. Each way is told of by itself if it works, and all are tried; at the file's end a line says how
 * many were tried and how many the host held against.
 */
export function attacksOf(file: string, start: Start = {}): Attack {
  const hostTest = host("ssh", start);
  let [tried, held] = [0, 0];
  after(() => {
    console.log(`attacks, ${file}: ${String(tried)} tried, ${String(held)} held`);
  });
  return (name, who, ways, body) => {
    hostTest(`attack by the ${who}: ${name}`, async (stack) => {
      const worked: string[] = [];
      for (const way of ways) {
        tried++;
        try {
          await body(stack, way);
          held++;
        } catch (error) {
          worked.push(`${way}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      if (worked.length > 0) throw new Error(`worked:\n${worked.join("\n")}`);
    });
  };
}
