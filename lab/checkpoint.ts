import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FastifyInstance } from "fastify";
import { Lab } from "./api/context";
import { ApiError } from "./api/errors";
import { Input } from "./api/input";
import { hostDir } from "./host/driver";
import { layerDir } from "./host/layers";
import { messageOf, removeTrees, run } from "./run";
import { LabState, newState, Server } from "./state";
import { tailnetDir } from "./tailnet/config";
import { Tailnet } from "./tailnet/tailnet";

/** Where a host's disk lies in a checkpoint. */
const diskOf = (folder: string, id: number): string => join(folder, "disks", String(id));
const recordsOf = (folder: string): string => join(folder, "lab.json");
const tailnetOf = (folder: string): string => join(folder, "tailnet");

/**
 * Saves all of a lab in a folder: its records, its hosts' disks and its tailnet. The disks are moved there, not copied, so this
 * lab is empty afterwards; {@link loadCheckpoint} brings it back, here or in any lab of the same family, as often as wanted.
 *
 * @param folder - must not exist; it appears when it is whole
 * @throws ApiError if a host isn't off, or its disk lies upon more than its base
 */
export async function saveCheckpoint(lab: Lab, tailnet: Tailnet, folder: string): Promise<void> {
  await lab.actions.settle();
  const { servers, images } = lab.store.state;
  if (images.length > 0) {
    throw new ApiError(422, "invalid_input", "a lab that has snapshots can't be saved: delete them first");
  }
  for (const { name, status, layers = [] } of servers) {
    if (status !== "off") {
      throw new ApiError(
        422,
        "server_not_stopped",
        `${name} is ${status}: only a lab whose hosts are off can be saved`,
      );
    }
    if (layers.length > 0) {
      throw new ApiError(422, "invalid_input", `the disk of ${name} lies upon other layers than its base`);
    }
  }
  const partial = `${folder}.partial`;
  await removeTrees([partial]);
  mkdirSync(join(partial, "disks"), { recursive: true, mode: 0o700 });
  writeFileSync(recordsOf(partial), JSON.stringify({ ...lab.store.state, actions: [] }), { mode: 0o600 });
  if (tailnet.store.exists()) {
    await tailnet.backend.stop();
    await cp(tailnetDir(lab.instance), tailnetOf(partial), {
      recursive: true,
      filter: (path) => !/\.(?:log|sock)$/.test(path),
    });
  }
  for (const { id } of servers) {
    await run(["mv", "--no-target-directory", join(hostDir(lab.instance, id), "upper"), diskOf(partial, id)]);
  }
  await rename(partial, folder);
  await empty(lab, tailnet);
}

/**
 * Makes a lab what it was when it was saved, and boots its hosts. Whatever it is now is lost.
 *
 * @param folder - of the checkpoint; without one the lab is empty afterwards
 * @param bootArguments - what each host's init gets on its command line
 */
export async function loadCheckpoint(
  lab: Lab,
  tailnet: Tailnet,
  folder?: string,
  bootArguments: readonly string[] = [],
): Promise<void> {
  await empty(lab, tailnet);
  if (folder === undefined) {
    return;
  }
  const state = JSON.parse(readFileSync(recordsOf(folder), "utf8")) as LabState;
  for (const server of state.servers) {
    server.layers = [diskOf(folder, server.id)];
    server.bootArguments = bootArguments;
  }
  lab.store.replace(state);
  if (existsSync(tailnetOf(folder))) {
    await cp(tailnetOf(folder), tailnetDir(lab.instance), { recursive: true });
    tailnet.store.reload();
  }
  const boots = lab.store.state.servers.map((server) => boot(lab, server));
  const control = tailnet.store.exists() ? tailnet.backend.ensure() : Promise.resolve();
  await Promise.all([...boots, control]);
}

async function boot(lab: Lab, server: Server): Promise<void> {
  await lab.driver.createDisk(lab.specOf(server));
  keepTimers(lab, server);
  await lab.applyFilter();
  server.status = "starting";
  await lab.driver.powerOn(lab.specOf(server));
  server.status = "running";
}

/** Timers would make up for all the time since the checkpoint. They are told that they have just run. */
function keepTimers(lab: Lab, server: Server): void {
  const stamps = "var/lib/systemd/timers";
  for (const layer of server.layers ?? []) {
    const folder = join(layer, stamps);
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      const stamp = join(hostDir(lab.instance, server.id), "upper", stamps, name);
      mkdirSync(dirname(stamp), { recursive: true });
      writeFileSync(stamp, "");
    }
  }
}

/** Ends everything and forgets it. The files go in the background. */
async function empty(lab: Lab, tailnet: Tailnet): Promise<void> {
  await lab.actions.settle();
  const ids = lab.store.state.servers.map(({ id }) => id);
  await Promise.all(ids.map((id) => lab.driver.powerOff(id)));
  await Promise.all(ids.map((id) => lab.driver.removeDisk(id)));
  await Promise.all(lab.store.state.images.map(({ id }) => lab.driver.removeLayer(layerDir(lab.instance, id))));
  if (tailnet.store.exists()) {
    await tailnet.backend.stop();
    await rm(tailnetDir(lab.instance), { recursive: true, force: true });
  }
  tailnet.store.reload();
  lab.store.replace(newState());
  await lab.applyFilter();
}

/** `/lab/save` and `/lab/load`: no part of the provider's API. */
export function checkpointRoutes(app: FastifyInstance, lab: Lab, tailnet: Tailnet): void {
  const folderOf = (input: Input): string => {
    const folder = input.requiredText("folder");
    input.check();
    return folder;
  };
  app.post("/lab/save", async ({ body }) => {
    await saveCheckpoint(lab, tailnet, folderOf(new Input(body)));
    return {};
  });
  app.post("/lab/load", async ({ body }) => {
    const { folder, bootArguments } = body as { folder?: string; bootArguments?: string[] };
    if (folder !== undefined && !existsSync(recordsOf(folder))) {
      throw new ApiError(404, "not_found", `${folder} is no checkpoint of a lab`);
    }
    try {
      await loadCheckpoint(lab, tailnet, folder, bootArguments);
    } catch (error) {
      throw new ApiError(500, "server_error", `the checkpoint isn't loaded: ${messageOf(error)}`);
    }
    return {};
  });
}
