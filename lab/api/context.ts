import { FilteredHost, HostDriver, HostSpec } from "../host/spec";
import { baseFor, usableBase } from "../host/image";
import { suites } from "../host/suites";
import { Instance } from "../instances";
import { Firewall, PrimaryIp, Server, Store } from "../state";
import { Actions } from "./actions";
import { images, serverTypes } from "./catalog";
import { matchesSelector } from "./listing";

/** What every part of the API works on. */
export class Lab {
  readonly actions: Actions;

  constructor(
    readonly instance: Instance,
    readonly store: Store,
    readonly driver: HostDriver,
    readonly log: (line: string) => void,
    private readonly baseKey: (image: number) => string = builtBase,
  ) {
    this.actions = new Actions(store, log);
  }

  /** Folder name of the base image that a new disk with this image lies upon. */
  baseFor(image: number): string {
    return this.baseKey(image);
  }

  /** The address of a kind on a server, or undefined. */
  addressOf(server: Server, type: PrimaryIp["type"]): PrimaryIp | undefined {
    return this.store.state.primaryIps.find((ip) => ip.assignee === server.id && ip.type === type);
  }

  /** Firewalls in force on a server, directly or by a label selector. */
  firewallsOf(server: Server): Firewall[] {
    return this.store.state.firewalls.filter((firewall) => this.serversOf(firewall).includes(server));
  }

  /** Servers that a firewall is in force on. */
  serversOf(firewall: Firewall): Server[] {
    return this.store.state.servers.filter((server) =>
      firewall.targets.some((target) =>
        target.type === "server" ? target.server === server.id : matchesSelector(target.selector, server.labels),
      ),
    );
  }

  /** What the driver needs to boot a server. */
  specOf(server: Server): HostSpec {
    return {
      id: server.id,
      name: server.name,
      base: server.base,
      layers: server.layers ?? [],
      bootArguments: server.bootArguments ?? [],
      mac: server.mac,
      memory: memoryOf(server),
      location: server.location,
      ipv4: this.addressOf(server, "ipv4")?.ip,
      ipv6: this.addressOf(server, "ipv6")?.ip,
      sshKeys: server.sshKeys,
      userData: server.userData,
      rootPassword: server.rootPassword ?? undefined,
      restricted: server.labels["lab/restricted"] === "true",
    };
  }

  /** Brings the packet filter in line with servers, addresses and firewalls. */
  async applyFilter(): Promise<void> {
    const hosts = this.store.state.servers.map((server): FilteredHost => {
      const firewalls = this.firewallsOf(server);
      return {
        id: server.id,
        ipv4: this.addressOf(server, "ipv4")?.ip,
        ipv6: this.addressOf(server, "ipv6")?.ip,
        rules: firewalls.length === 0 ? undefined : firewalls.flatMap(({ rules }) => rules),
      };
    });
    await this.driver.applyFilter(hosts);
  }
}

/** One that isn't built yet is built with the first disk. */
function builtBase(id: number): string {
  const suite = suites[images.find((image) => image.id === id)?.name ?? ""] ?? "";
  return (usableBase(suite) ?? baseFor(suite)).key;
}

/** Memory of the server's type, in GB. */
function memoryOf(server: Server): number {
  const type = serverTypes.find(({ id }) => id === server.serverType);
  if (type === undefined) {
    throw new Error(`server ${server.name} has a type that the catalog doesn't know: ${String(server.serverType)}`);
  }
  return type.memory;
}
