import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Instance } from "../instances";
import { messageOf, removeTrees, waitUntil } from "../run";
import { renderFilter } from "./firewall";
import { initOf, isAlive, killGroup, resumeGroup, signal, spawnGroup } from "./groups";
import { baseFor, baseOf, ensureBase, suiteOf, touchBase } from "./image";
import { copyUpper, moveUpper, seedFolder } from "./layers";
import { fabricPid, inFabric } from "./network";
import { nameservers } from "./resolver";
import { seedFor } from "./seed";
import { FilteredHost, HostDriver, HostSpec, portName } from "./spec";

/** systemd's signals for its first process: power button (SIGRTMIN+4) and Ctrl-Alt-Del (SIGINT). */
const signals = { poweroff: 38, reboot: "SIGINT" } as const;

/** Where the files of one host are. */
export function hostDir(instance: Instance, id: number): string {
  return join(instance.stateDir, "hosts", String(id));
}

/** What the host printed on its console, over all of its boots. */
export function consoleLog(instance: Instance, id: number): string {
  return join(hostDir(instance, id), "console.log");
}

/** The process group of one host. */
export function hostGroup(instance: Instance, id: number): string {
  return `${instance.group}-${portName(id)}`;
}

/** Real Debian hosts in systemd-nspawn on this machine. */
export class NspawnDriver implements HostDriver {
  constructor(
    private readonly instance: Instance,
    /** Gets a line for each step of something long. */
    private readonly log: (line: string) => void,
  ) {}

  async createDisk(spec: HostSpec): Promise<void> {
    const base = baseOf(spec.base);
    if (base.key === baseFor(suiteOf(base)).key) {
      await ensureBase(suiteOf(base), this.log);
    } else if (!existsSync(base.rootfs)) {
      throw new Error(`the base image ${spec.base} is gone from the cache: delete the server and create it again`);
    }
    const missing = spec.layers.find((layer) => !existsSync(layer));
    if (missing !== undefined) {
      throw new Error(`the disk would lie upon a layer that isn't there: ${missing}`);
    }
    const dir = hostDir(this.instance, spec.id);
    const parts = ["upper", "work", "root"].map((part) => join(dir, part));
    await removeTrees(parts);
    for (const part of parts) {
      mkdirSync(part, { recursive: true });
    }
  }

  async removeDisk(id: number): Promise<void> {
    const dir = hostDir(this.instance, id);
    if (!existsSync(dir)) {
      return;
    }
    // A loaded checkpoint has the same numbers again.
    await this.discard(dir, `gone-${String(id)}-${randomUUID()}`);
  }

  saveDisk(id: number, folder: string, move: boolean): Promise<number> {
    const dir = hostDir(this.instance, id);
    return move ? moveUpper(dir, folder) : copyUpper(dir, folder, hostGroup(this.instance, id));
  }

  hasLayer(folder: string): boolean {
    return existsSync(folder);
  }

  async removeLayer(folder: string): Promise<void> {
    const dir = dirname(folder);
    if (existsSync(dir)) {
      await this.discard(dir, `gone-layer-${basename(dir)}-${randomUUID()}`);
    }
  }

  resume(id: number): void {
    resumeGroup(hostGroup(this.instance, id));
  }

  /** Nobody waits for the files themselves; what a daemon that ends leaves of them goes with the lab. */
  private async discard(folder: string, name: string): Promise<void> {
    const gone = join(this.instance.stateDir, name);
    await rename(folder, gone);
    removeTrees([gone]).catch((error: unknown) => {
      this.log(`${name} isn't removed: ${messageOf(error)}`);
    });
  }

  async powerOn(spec: HostSpec): Promise<void> {
    const fabric = fabricPid(this.instance);
    if (fabric === undefined) {
      throw new Error("the lab's network is down: restart the lab");
    }
    const dir = hostDir(this.instance, spec.id);
    const base = baseOf(spec.base);
    touchBase(base);
    this.writeSeed(spec);
    const group = hostGroup(this.instance, spec.id);
    await killGroup(group);
    const program = [join(__dirname, "run-host.sh")];
    spawnGroup({ group, memory: spec.memory }, program, consoleLog(this.instance, spec.id), {
      LAB_DIR: dir,
      LAB_LOWER: [...spec.layers, base.rootfs].join(":"),
      LAB_BOOT: spec.bootArguments.join(" "),
      LAB_FABRIC: String(fabric),
      LAB_MACHINE: `${this.instance.name}-${portName(spec.id)}`,
      LAB_HOSTNAME: spec.name,
      LAB_PORT: portName(spec.id),
      LAB_MAC: spec.mac,
      LAB_IPV4: spec.ipv4 ?? "",
      LAB_IPV6: spec.ipv6 ?? "",
      LAB_RESTRICTED: spec.restricted ? "yes" : "",
    });
    let started = false;
    await waitUntil(
      () => {
        const running = this.isRunning(spec.id);
        started ||= running;
        if (started && !running) {
          throw new Error(`the host ended while it booted; its console: npm run lab -- logs ${spec.name}`);
        }
        return initOf(group) !== undefined;
      },
      { deadline: 20_000, what: `the first process of ${spec.name}` },
    );
  }

  async powerOff(id: number): Promise<void> {
    await killGroup(hostGroup(this.instance, id));
  }

  requestShutdown(id: number): void {
    this.signalInit(id, signals.poweroff);
  }

  requestReboot(id: number): void {
    this.signalInit(id, signals.reboot);
  }

  isRunning(id: number): boolean {
    return isAlive(hostGroup(this.instance, id));
  }

  async applyFilter(hosts: readonly FilteredHost[]): Promise<void> {
    await inFabric(this.instance, ["nft", "-f", "-"], renderFilter(this.instance, hosts));
  }

  private signalInit(id: number, name: NodeJS.Signals | number): void {
    const init = initOf(hostGroup(this.instance, id));
    if (init !== undefined) {
      signal(init, name);
    }
  }

  /** The seed is read at each boot; cloud-init acts on all of it only once per disk. */
  private writeSeed(spec: HostSpec): void {
    const dir = join(hostDir(this.instance, spec.id), "upper", seedFolder);
    mkdirSync(dir, { recursive: true });
    const network = { gateway4: `${this.instance.prefix4}.1`, nameservers: nameservers() };
    for (const [name, content] of Object.entries(seedFor(spec, network))) {
      writeFileSync(join(dir, name), content, { mode: 0o600 });
    }
  }
}
