import { FastifyInstance } from "fastify";
import { waitUntil } from "../run";
import { Action, Server } from "../state";
import { findByReference, serverTypes } from "./catalog";
import { Lab } from "./context";
import { ApiError, isProtected, notEmulated } from "./errors";
import { createSnapshot, diskOf, checkSource, pruneSnapshots, sourceFor } from "./images";
import { Input } from "./input";
import { checkUserData } from "./servers";
import { serverById } from "./serverView";

/** What an action's request leads to, beside the action. */
interface Outcome {
  readonly action: Action;
  readonly root_password?: string | null;
  readonly image?: object;
}

type Handler = (lab: Lab, server: Server, input: Input) => Outcome;

async function powerOn(lab: Lab, server: Server): Promise<void> {
  server.status = "starting";
  try {
    await lab.driver.powerOn(lab.specOf(server));
    server.status = "running";
  } catch (error) {
    server.status = "off";
    throw error;
  }
}

async function powerOff(lab: Lab, server: Server): Promise<void> {
  server.status = "stopping";
  await lab.driver.powerOff(server.id);
  server.status = "off";
}

const immediate = (lab: Lab, server: Server, command: string, work: () => void): Outcome => ({
  action: lab.actions.instant(command, [{ id: server.id, type: "server" }], work),
});

const mustBeOff = (server: Server): void => {
  if (server.status !== "off") {
    throw new ApiError(422, "server_not_stopped", `server ${String(server.id)} must be off`);
  }
};

const handlers: Readonly<Record<string, Handler>> = {
  poweron: (lab, server) => ({
    action: lab.actions.onServer(server, "start_server", async () => {
      if (!lab.driver.isRunning(server.id)) {
        await powerOn(lab, server);
      }
    }),
  }),

  poweroff: (lab, server) => ({
    action: lab.actions.onServer(server, "stop_server", () => powerOff(lab, server)),
  }),

  reset: (lab, server) => ({
    action: lab.actions.onServer(server, "reset_server", async (progress) => {
      await powerOff(lab, server);
      progress(50);
      await powerOn(lab, server);
    }),
  }),

  // Both only press a button, as there: what the host makes of it shows in its status.
  reboot: (lab, server) => ({
    action: lab.actions.onServer(server, "reboot_server", () => {
      lab.driver.requestReboot(server.id);
      return Promise.resolve();
    }),
  }),
  shutdown: (lab, server) => ({
    action: lab.actions.onServer(server, "shutdown_server", () => {
      lab.driver.requestShutdown(server.id);
      return Promise.resolve();
    }),
  }),

  rebuild: (lab, server, input) => {
    const type = serverTypes.find(({ id }) => id === server.serverType);
    const image = sourceFor(lab, input, input.idOrName("image"), type?.architecture);
    const userData = checkUserData(input, "user_data");
    input.check();
    if (server.protection.rebuild) {
      throw isProtected(`server ${String(server.id)}`);
    }
    if (image === undefined) {
      throw new Error("unreachable: the check above names what is missing");
    }
    checkSource(image, server.primaryDiskSize);
    const { base, layers } = diskOf(lab, image);
    const action = lab.actions.onServer(server, "rebuild_server", async (progress) => {
      server.status = "rebuilding";
      await lab.driver.powerOff(server.id);
      progress(30);
      await lab.driver.createDisk(lab.specOf(server));
      await pruneSnapshots(lab);
      progress(60);
      await powerOn(lab, server);
    });
    // Before the work begins: from now on the snapshot is needed, even if its image is deleted meanwhile.
    server.image = image.id;
    server.base = base;
    server.layers = layers;
    server.userData = userData ?? server.userData;
    return { action, root_password: server.rootPassword };
  },

  create_image: createSnapshot,

  change_type: (lab, server, input) => {
    const reference = input.idOrName("server_type");
    const upgradeDisk = input.flag("upgrade_disk") ?? false;
    const type = findByReference(serverTypes, reference);
    if (reference !== "" && type === undefined) {
      input.reject("server_type", `'${reference}' does not exist`);
    }
    input.check();
    mustBeOff(server);
    const present = serverTypes.find(({ id }) => id === server.serverType);
    if (type === undefined || type.architecture !== present?.architecture || type.disk < server.primaryDiskSize) {
      throw new ApiError(422, "invalid_server_type", `server type ${reference} does not fit this server`);
    }
    const action = lab.actions.onServer(server, "change_server_type", () => {
      server.serverType = type.id;
      server.primaryDiskSize = upgradeDisk ? type.disk : server.primaryDiskSize;
      return Promise.resolve();
    });
    return { action };
  },

  enable_backup: (lab, server) =>
    immediate(lab, server, "enable_backup", () => {
      server.backupWindow ??= "22-02";
    }),

  disable_backup: (lab, server) =>
    immediate(lab, server, "disable_backup", () => {
      server.backupWindow = null;
    }),

  change_protection: (lab, server, input) => {
    const present = server.protection;
    const wanted = {
      delete: input.flag("delete") ?? present.delete,
      rebuild: input.flag("rebuild") ?? present.rebuild,
    };
    if (wanted.delete !== wanted.rebuild) {
      input.reject("rebuild", "delete and rebuild protection must be the same");
    }
    input.check();
    return immediate(lab, server, "change_protection", () => {
      server.protection = wanted;
    });
  },

  change_dns_ptr: (lab, server, input) => {
    const address = input.requiredText("ip");
    const pointer = input.text("dns_ptr");
    const ip = (["ipv4", "ipv6"] as const)
      .map((type) => lab.addressOf(server, type))
      .find((own) => own?.ip === address || (own?.type === "ipv6" && address.startsWith(own.ip.replace("::/64", ":"))));
    if (ip === undefined) {
      input.reject("ip", `'${address}' is not on this server`);
    }
    input.check();
    return immediate(lab, server, "change_dns_ptr", () => {
      if (ip !== undefined) {
        const others = Object.entries(ip.dnsPtr).filter(([known]) => known !== address);
        ip.dnsPtr = Object.fromEntries(pointer === undefined ? others : [...others, [address, pointer]]);
      }
    });
  },
};

/** `/servers/ID/actions/NAME` */
export function serverActionRoutes(app: FastifyInstance, lab: Lab): void {
  app.post<{ Params: { id: string; name: string } }>("/servers/:id/actions/:name", ({ params, body }, reply) => {
    const server = serverById(lab, params.id);
    const handler = Object.entries(handlers).find(([name]) => name === params.name)?.[1];
    if (handler === undefined) {
      throw notEmulated(`the server action '${params.name}'`);
    }
    return reply.code(201).send(handler(lab, server, new Input(body)));
  });
}

/**
 * Notices hosts that went off by themselves (a shutdown from inside, a kill from outside), and says so in their status.
 */
export async function watchHosts(lab: Lab, stop: AbortSignal): Promise<void> {
  const look = (): boolean => {
    for (const server of lab.store.state.servers) {
      if (server.status === "running" && !server.locked && !lab.driver.isRunning(server.id)) {
        server.status = "off";
        lab.store.save();
      }
    }
    return stop.aborted;
  };
  await waitUntil(look, { deadline: Number.POSITIVE_INFINITY, what: "the lab's end", interval: 50 });
}
