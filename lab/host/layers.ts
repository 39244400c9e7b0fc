import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { Instance } from "../instances";
import { removeTrees, run } from "../run";
import { whilePaused } from "./groups";

/** Where cloud-init finds the first boot's input, on a host's disk. */
export const seedFolder = join("var", "lib", "cloud", "seed", "nocloud");

/** The layer of a snapshot: what a disk held above the layers that it lay upon. */
export function layerDir(instance: Instance, snapshot: number): string {
  return join(instance.stateDir, "snapshots", String(snapshot), "layer");
}

/** Makes a layer of the disk of a host that is off, without a copy, and gives the host an empty one to go on with. Returns its bytes. */
export async function moveUpper(dir: string, layer: string): Promise<number> {
  const upper = join(dir, "upper");
  // It is written anew at each boot.
  await removeTrees([join(upper, seedFolder), join(dir, "work")]);
  const bytes = await bytesOf(upper);
  mkdirSync(dirname(layer), { recursive: true, mode: 0o700 });
  renameSync(upper, layer);
  mkdirSync(upper);
  return bytes;
}

/** Makes a layer of a copy of a running host's disk. The host stands still meanwhile: the layer is what a power cut would leave. */
export async function copyUpper(dir: string, layer: string, group: string): Promise<number> {
  const partial = `${layer}.partial`;
  mkdirSync(dirname(layer), { recursive: true, mode: 0o700 });
  const copy = ["cp", "--archive", "--reflink=auto", "--one-file-system", "--", join(dir, "upper"), partial];
  await whilePaused(group, () => run(copy));
  await removeTrees([join(partial, seedFolder)]);
  const bytes = await bytesOf(partial);
  renameSync(partial, layer);
  return bytes;
}

async function bytesOf(folder: string): Promise<number> {
  return Number((await run(["du", "-s", "--block-size=1", "--", folder])).split("\t")[0]);
}
