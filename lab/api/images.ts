import { FastifyInstance } from "fastify";
import { layerDir } from "../host/layers";
import { Action, Server, Snapshot } from "../state";
import { Architecture, images, ImageView, showImage } from "./catalog";
import { Lab } from "./context";
import { ApiError, isProtected, locked, notEmulated, notFound } from "./errors";
import { Input } from "./input";
import { listing, Query, queryValues } from "./listing";

const diskTooBig = "image disk is bigger than server type disk";

/** What a disk can be made from: an image of the catalog, or a snapshot. */
export interface DiskSource {
  readonly id: number;
  readonly architecture: Architecture;
  readonly snapshot: Snapshot | undefined;
}

function architectureOf(snapshot: Snapshot): Architecture {
  return images.find(({ id }) => id === snapshot.origin)?.architecture ?? "x86";
}

function showSnapshot(snapshot: Snapshot): ImageView {
  const origin = images.find(({ id }) => id === snapshot.origin);
  const shown = origin === undefined ? undefined : showImage(origin);
  return {
    id: snapshot.id,
    type: "snapshot",
    status: snapshot.status,
    name: null,
    description: snapshot.description,
    architecture: architectureOf(snapshot),
    image_size: snapshot.imageSize,
    disk_size: snapshot.diskSize,
    created: snapshot.created,
    created_from: snapshot.createdFrom,
    bound_to: null,
    os_flavor: shown?.os_flavor ?? "unknown",
    os_version: shown?.os_version ?? "",
    rapid_deploy: false,
    protection: snapshot.protection,
    deprecated: null,
    deleted: snapshot.deleted,
    labels: snapshot.labels,
  };
}

/** An image in the API's form; a deleted snapshot too, as long as a server still has it. */
export function imageView(lab: Lab, id: number): ImageView | undefined {
  const image = images.find((candidate) => candidate.id === id);
  const snapshot = lab.store.state.images.find((candidate) => candidate.id === id);
  return image !== undefined ? showImage(image) : snapshot === undefined ? undefined : showSnapshot(snapshot);
}

/** What a reference means for a server of an architecture. Snapshots have no names. */
export function sourceFor(
  lab: Lab,
  input: Input,
  reference: string,
  architecture: Architecture | undefined,
): DiskSource | undefined {
  const image =
    images.find(({ id }) => String(id) === reference) ??
    images.find((candidate) => candidate.name === reference && candidate.architecture === architecture);
  const snapshot = present(lab).find(({ id }) => String(id) === reference);
  const found =
    image !== undefined
      ? { id: image.id, architecture: image.architecture, snapshot: undefined }
      : snapshot !== undefined
        ? { id: snapshot.id, architecture: architectureOf(snapshot), snapshot }
        : undefined;
  if (reference !== "" && architecture !== undefined && found?.architecture !== architecture) {
    input.reject("image", `'${reference}' does not exist for ${architecture}; the lab has ${labImages()}`);
  }
  return found;
}

function labImages(): string {
  return [...new Set(images.map(({ name }) => name))].join(", ");
}

/** Refuses a snapshot that isn't there yet, or whose disk is larger than the server's (GB). */
export function checkSource({ id, snapshot }: DiskSource, disk: number): void {
  if (snapshot === undefined) {
    return;
  }
  if (snapshot.status !== "available") {
    throw new ApiError(412, "resource_unavailable", `image ${String(id)} is not available yet`);
  }
  if (snapshot.diskSize > disk) {
    throw new ApiError(422, "invalid_input", diskTooBig, { fields: [{ name: "image", messages: [diskTooBig] }] });
  }
}

/** What a new disk lies upon. */
export function diskOf(lab: Lab, { id, snapshot }: DiskSource): { base: string; layers: readonly string[] } {
  return snapshot === undefined
    ? { base: lab.baseFor(id), layers: [] }
    : { base: snapshot.base, layers: [layerDir(lab.instance, snapshot.id), ...snapshot.beneath] };
}

/** Snapshots that weren't deleted. */
function present(lab: Lab): Snapshot[] {
  return lab.store.state.images.filter(({ deleted }) => deleted === null);
}

/** Removes deleted snapshots, layer and all, that no server and no other snapshot needs. */
export async function pruneSnapshots(lab: Lab): Promise<void> {
  const { images: snapshots, servers } = lab.store.state;
  const isFree = ({ id, deleted }: Snapshot): boolean => {
    const layer = layerDir(lab.instance, id);
    const isUsed =
      servers.some((server) => server.layers?.includes(layer) === true) ||
      snapshots.some(({ beneath }) => beneath.includes(layer));
    return deleted !== null && !isUsed;
  };
  // One that goes may have been the last above another.
  for (let free = snapshots.find(isFree); free !== undefined; free = snapshots.find(isFree)) {
    snapshots.splice(snapshots.indexOf(free), 1);
    await lab.driver.removeLayer(layerDir(lab.instance, free.id));
  }
  lab.store.save();
}

/** Ends what became of a snapshot: whole if its layer is there, else nothing is left of it. */
async function conclude(lab: Lab, snapshot: Snapshot): Promise<void> {
  const layer = layerDir(lab.instance, snapshot.id);
  if (lab.driver.hasLayer(layer)) {
    snapshot.status = "available";
    return;
  }
  for (const server of lab.store.state.servers) {
    server.layers = server.layers?.filter((folder) => folder !== layer) ?? [];
  }
  snapshot.deleted = new Date().toISOString();
  await pruneSnapshots(lab);
}

/** After a crash of the daemon: brings snapshots that were being made in line with what is there. */
export async function adoptSnapshots(lab: Lab): Promise<void> {
  for (const snapshot of lab.store.state.images.filter(({ status }) => status === "creating")) {
    lab.driver.resume(snapshot.createdFrom.id);
    await conclude(lab, snapshot);
  }
  await pruneSnapshots(lab);
}

async function save(lab: Lab, server: Server, snapshot: Snapshot): Promise<void> {
  const layer = layerDir(lab.instance, snapshot.id);
  const move = !lab.driver.isRunning(server.id);
  if (move) {
    // Written down before: after a crash the layer itself shows whether the disk was moved.
    server.layers = [layer, ...snapshot.beneath];
    lab.store.save();
  }
  try {
    const bytes = await lab.driver.saveDisk(server.id, layer, move);
    snapshot.imageSize = Math.ceil(bytes / 1e7) / 100;
  } finally {
    await conclude(lab, snapshot);
  }
}

/** The server action `create_image`. */
export function createSnapshot(lab: Lab, server: Server, input: Input): { action: Action; image: object } {
  const type = input.choice("type", ["snapshot", "backup"]) ?? "snapshot";
  const created = new Date().toISOString();
  const description = input.text("description") ?? `snapshot ${created}`;
  const labels = input.labels() ?? {};
  input.check();
  if (type === "backup") {
    throw notEmulated("images of type 'backup'");
  }
  if (server.locked) {
    throw locked(`server ${String(server.id)}`);
  }
  const snapshot: Snapshot = {
    id: lab.store.newId(),
    status: "creating",
    description,
    created,
    createdFrom: { id: server.id, name: server.name },
    origin: lab.store.state.images.find(({ id }) => id === server.image)?.origin ?? server.image,
    diskSize: server.primaryDiskSize,
    imageSize: null,
    labels,
    protection: { delete: false },
    deleted: null,
    base: server.base,
    beneath: server.layers ?? [],
  };
  lab.store.state.images.push(snapshot);
  const image = showSnapshot(snapshot);
  const target = { id: snapshot.id, type: "image" as const };
  const action = lab.actions.onServer(server, "create_image", () => save(lab, server, snapshot), [target]);
  return { action, image };
}

/** `/images` */
export function imageRoutes(app: FastifyInstance, lab: Lab): void {
  /** A snapshot to change: the catalog's images are the provider's own. */
  const own = (id: string): Snapshot => {
    const snapshot = present(lab).find((candidate) => String(candidate.id) === id);
    if (snapshot !== undefined) {
      return snapshot;
    }
    if (images.some((image) => String(image.id) === id)) {
      throw new ApiError(422, "unsupported_error", "only images of type snapshot and backup can be changed");
    }
    throw notFound("image", id);
  };

  app.get<{ Querystring: Query }>("/images", ({ query }) => {
    const wanted = (key: string, value: string): boolean => {
      const values = queryValues(query, key);
      return values.length === 0 || values.includes(value);
    };
    const found = [...images.map(showImage), ...present(lab).map(showSnapshot)].filter(
      ({ architecture, status, type, bound_to }) =>
        wanted("architecture", architecture) &&
        wanted("status", status) &&
        wanted("type", type) &&
        wanted("bound_to", String(bound_to)),
    );
    return listing("images", found, query, (image) => image);
  });

  app.get<{ Params: { id: string } }>("/images/:id", ({ params }) => {
    const image = imageView(lab, Number(params.id));
    if (image === undefined || image.deleted !== null) {
      throw notFound("image", params.id);
    }
    return { image };
  });

  app.put<{ Params: { id: string } }>("/images/:id", ({ params, body }) => {
    const snapshot = own(params.id);
    const input = new Input(body);
    const description = input.text("description");
    const labels = input.labels();
    input.choice("type", ["snapshot"]);
    input.check();
    snapshot.description = description ?? snapshot.description;
    snapshot.labels = labels ?? snapshot.labels;
    return { image: showSnapshot(snapshot) };
  });

  app.delete<{ Params: { id: string } }>("/images/:id", async ({ params }, reply) => {
    const snapshot = own(params.id);
    if (snapshot.protection.delete) {
      throw isProtected(`image ${params.id}`);
    }
    if (snapshot.status === "creating") {
      throw locked(`image ${params.id}`);
    }
    snapshot.deleted = new Date().toISOString();
    await pruneSnapshots(lab);
    return reply.code(204).send();
  });

  app.post<{ Params: { id: string } }>("/images/:id/actions/change_protection", ({ params, body }, reply) => {
    const snapshot = own(params.id);
    const input = new Input(body);
    const wanted = input.flag("delete");
    input.check();
    const action = lab.actions.instant("change_protection", [{ id: snapshot.id, type: "image" }], () => {
      snapshot.protection.delete = wanted ?? snapshot.protection.delete;
    });
    return reply.code(201).send({ action });
  });
}
