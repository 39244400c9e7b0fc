import { rmSync } from "node:fs";
import { join } from "node:path";
import { loadLab } from "../lab";
import { stateFolder } from "../paths";
import { type Lane, noLane } from "./lane";

/** Lanes, and how to take them down. */
export interface Lanes {
  readonly lanes: readonly Lane[];
  close(): Promise<void>;
}

/** Makes the lanes of a run. For now one, whatever `count`: the lab of the tests on this machine's own network. */
export async function makeLanes(count: number): Promise<Lanes> {
  if (count < 1) throw new Error(`${String(count)} lanes: at least one is needed`);
  const lab = await loadLab();
  /** Takes down the tests' lab and forgets its stacks: a host of an earlier run knows that run's history. */
  const discard = async (): Promise<void> => {
    await lab.stopLab({ instance: "test" });
    rmSync(join(stateFolder, "test"), { recursive: true, force: true });
  };
  await discard();
  await lab.ensureLab({ instance: "test" });
  const lane: Lane = {
    ...noLane("test"),
    clear: async () => {
      await discard();
      await lab.ensureLab({ instance: "test" });
    },
  };
  return { lanes: [lane], close: discard };
}
