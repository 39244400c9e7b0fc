import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildApi } from "./api/app";
import { Lab } from "./api/context";
import { adoptSnapshots } from "./api/images";
import { buildMetadata } from "./api/metadata";
import { watchHosts } from "./api/serverActions";
import { checkpointRoutes } from "./checkpoint";
import { NspawnDriver } from "./host/driver";
import { groupsOf, killGroup } from "./host/groups";
import { ensureNetwork } from "./host/network";
import { Instance, InstanceName, instanceOf, isInstanceName, labToken } from "./instances";
import { messageOf } from "./run";
import { Store } from "./state";
import { buildTailnetApi } from "./tailnet/api/app";
import { buildDownloads } from "./tailnet/downloads";
import { tailnetOf } from "./tailnet/tailnet";
import { codeVersion } from "./version";

const log = (text: string): void => {
  console.log(`${new Date().toISOString()} ${text}`);
};

/** No idle connection is closed: a busy client could be about to use it just then. 0 is node's word for that. */
const keptOpen = 0;

/** Ends hosts that are on record nowhere, left by a crash or by another checkout's lab. */
async function removeStrays(instance: Instance, lab: Lab): Promise<void> {
  for (const group of groupsOf(instance.group)) {
    const id = /-h(\d+)$/.exec(group)?.[1];
    const known = lab.store.state.servers.some((server) => String(server.id) === id);
    if (id !== undefined && !known) {
      log(`removing the leftover host group ${group}`);
      await killGroup(group);
    }
  }
}

/** Brings the record in line with what survived the daemon's last end. */
async function adopt(lab: Lab): Promise<void> {
  const { servers, actions } = lab.store.state;
  for (const action of actions.filter(({ status }) => status === "running")) {
    action.status = "error";
    action.error = { code: "action_failed", message: "the lab's daemon was restarted meanwhile" };
    action.finished = new Date().toISOString();
  }
  for (const server of servers) {
    server.locked = false;
    server.status = lab.driver.isRunning(server.id) ? "running" : "off";
    log(`server ${server.name} (${String(server.id)}): ${server.status}`);
  }
  await adoptSnapshots(lab);
  lab.store.save();
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { instance: { type: "string" } } });
  const wanted = values.instance ?? "dev";
  if (!isInstanceName(wanted)) {
    throw new Error(`there is no lab '${wanted}'`);
  }
  const name: InstanceName = wanted;
  const instance = instanceOf(name);
  mkdirSync(instance.stateDir, { recursive: true, mode: 0o700 });

  const store = new Store(join(instance.stateDir, "state.json"));
  const lab = new Lab(instance, store, new NspawnDriver(instance, log), log);
  const identity = { instance: name, checkout: instance.checkout, version: codeVersion(), pid: process.pid };
  const tailnet = tailnetOf(instance, log);
  const api = buildApi(lab, labToken, identity);
  checkpointRoutes(api, lab, tailnet);
  api.server.keepAliveTimeout = keptOpen;
  // Owning the port makes this the one daemon of the instance; nothing is touched before.
  await api.listen({ host: "127.0.0.1", port: instance.port });
  await removeStrays(instance, lab);
  const isNew = await ensureNetwork(instance, join(instance.stateDir, "fabric.log"));
  if (isNew) {
    // A host without its cable can't be reached any more.
    for (const server of store.state.servers) {
      await lab.driver.powerOff(server.id);
    }
  }
  await adopt(lab);
  await lab.applyFilter();

  const metadata = buildMetadata(lab);
  await new Promise<void>((resolve, reject) => {
    metadata.once("error", reject).listen(instance.metadataPort, `${instance.prefix4}.1`, resolve);
  });
  const tailnetApi = buildTailnetApi(tailnet, log);
  tailnetApi.server.keepAliveTimeout = keptOpen;
  await tailnetApi.listen({ host: "127.0.0.1", port: instance.tailnetPort });
  const downloads = buildDownloads(instance);
  await new Promise<void>((resolve, reject) => {
    downloads.once("error", reject).listen(instance.tailnetPort, `${instance.prefix4}.1`, resolve);
  });
  if (tailnet.store.exists()) {
    // Its hosts have had no control server since the machine's last crash.
    await tailnet.backend.ensure();
  }
  const stop = new AbortController();
  const watching = watchHosts(lab, stop.signal);
  writeFileSync(join(instance.stateDir, "ready"), String(process.pid));
  log(`lab ${name} listens on ${instance.endpoint}`);

  const end = (signal: string): void => {
    log(`${signal}: the daemon ends, hosts stay as they are`);
    stop.abort();
    void (async () => {
      await watching;
      await lab.actions.settle();
      await Promise.all([api.close(), tailnetApi.close()]);
      for (const server of [metadata, downloads]) {
        server.close();
        server.closeAllConnections();
      }
      store.save();
    })();
  };
  process.once("SIGTERM", end).once("SIGINT", end);
}

main().catch((error: unknown) => {
  console.error(`${new Date().toISOString()} lab daemon: ${messageOf(error)}`);
  process.exit(1);
});
