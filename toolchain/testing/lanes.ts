import { existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { daemonLog } from "../../lab/client";
import { ls } from "../../lab/hosts";
import { instanceOf, type InstanceName } from "../../lab/instances";
import { closeLane, CpuMeter, haltLab, inLane, openLane, type LabLane } from "../../lab/lanes";
import { capture } from "../process";
import { StepError, elapsed } from "../report";
import type { Lane } from "./lane";

/** Who owns this port of the machine's loopback runs the machine's lanes: their addresses can be there only once. */
const OWNERS_PORT = 8489;

/** The lanes of one run of the tests. */
export interface Lanes {
  readonly lanes: readonly Lane[];
  /** Takes them away, with their labs. */
  close(): Promise<void>;
}

/** Makes lanes for test files that need hosts. @throws StepError if another run of the tests has this machine's */
export async function makeLanes(count: number): Promise<Lanes> {
  const owner = await own();
  const started = Date.now();
  const open: LabLane[] = [];
  const close = async (): Promise<void> => {
    for (const { instance } of open) await closeLane(instance);
    await new Promise((resolve) => owner.close(resolve));
  };
  try {
    // One after the other: each writes down what it changes of the machine.
    for (let number = 1; number <= count; number++) open.push(await openLane(number));
  } catch (error) {
    await close();
    throw error;
  }
  process.stderr.write(`lanes: ${String(count)} are ready (${elapsed(started)})\n`);
  return { lanes: open.map(laneOf), close };
}

async function own(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const busy = `another npm test runs on this machine: wait for its end ('ss -ltnp sport = :${String(OWNERS_PORT)}' names it)`;
      reject(error.code === "EADDRINUSE" ? new StepError(busy) : error);
    });
    server.listen(OWNERS_PORT, "127.0.0.1", resolve);
  });
  return server;
}

function laneOf({ instance, pid }: LabLane): Lane {
  const meter = new CpuMeter(instance);
  return {
    name: instance,
    command: (argv) => inLane(pid, argv),
    env: { MONOCLAW_LAB_INSTANCE: instance },
    cpuSeconds: () => meter.seconds(),
    evidence: () => evidenceOf(instance),
    clear: () => haltLab(instance),
  };
}

/** What the lab and its hosts said last. */
async function evidenceOf(instance: InstanceName): Promise<string> {
  const texts: string[] = [];
  for (const { name, status, dir } of await ls(instance)) {
    const journal = join(dir, "upper/var/log/journal");
    texts.push(`== ${name} is ${status}; the end of its journal:`);
    if (!existsSync(journal)) continue;
    texts.push((await capture("journalctl", ["--no-pager", `--directory=${journal}`, "--lines=60"])).stdout);
  }
  const log = daemonLog(instanceOf(instance));
  if (existsSync(log)) texts.push("== the lab's log:", (await capture("tail", ["-n", "40", log])).stdout);
  return texts.join("\n");
}
