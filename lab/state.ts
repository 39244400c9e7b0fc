import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { FirewallRule } from "./host/spec";

/** Free key-value pairs on a resource. */
export type Labels = Record<string, string>;

/** Kinds of resources that actions refer to. */
export type ResourceType = "server" | "firewall" | "primary_ip" | "image";

/** One action, exactly as the API shows it. */
export interface Action {
  readonly id: number;
  readonly command: string;
  status: "running" | "success" | "error";
  progress: number;
  readonly started: string;
  finished: string | null;
  error: { code: string; message: string } | null;
  readonly resources: readonly { readonly id: number; readonly type: ResourceType }[];
}

/** An SSH key, exactly as the API shows it. */
export interface SshKey {
  readonly id: number;
  name: string;
  readonly fingerprint: string;
  readonly public_key: string;
  labels: Labels;
  readonly created: string;
}

/** What a firewall is attached to. */
export type FirewallTarget =
  { readonly type: "server"; readonly server: number } | { readonly type: "label_selector"; readonly selector: string };

/** A cloud firewall. */
export interface Firewall {
  readonly id: number;
  name: string;
  labels: Labels;
  readonly created: string;
  rules: FirewallRule[];
  targets: FirewallTarget[];
}

/** An address that can be on a server. */
export interface PrimaryIp {
  readonly id: number;
  name: string;
  readonly type: "ipv4" | "ipv6";
  /** `10.77.80.12`, or a network such as `fd77:80:0:c::/64`. */
  readonly ip: string;
  readonly location: string;
  labels: Labels;
  readonly created: string;
  /** Server that has it. */
  assignee: number | null;
  autoDelete: boolean;
  protection: { delete: boolean };
  dnsPtr: Record<string, string>;
}

/** Where a server is in its life, in the API's words. */
export type ServerStatus =
  "initializing" | "starting" | "running" | "stopping" | "off" | "rebuilding" | "deleting" | "migrating";

/** A server; what the API shows of it is derived. */
export interface Server {
  readonly id: number;
  name: string;
  status: ServerStatus;
  readonly created: string;
  labels: Labels;
  serverType: number;
  image: number;
  readonly location: string;
  backupWindow: string | null;
  protection: { delete: boolean; rebuild: boolean };
  primaryDiskSize: number;
  /** True while an action that changes the server runs. */
  locked: boolean;
  readonly mac: string;
  /** Folder name of the base image that its disk lies upon. */
  base: string;
  /** Folders of the layers above it, the topmost first: what a snapshot or a checkpoint holds of a disk. */
  layers?: readonly string[];
  /** Arguments of the host's init, until the lab is loaded anew. */
  bootArguments?: readonly string[];
  /** Public keys that were given when it was created. */
  readonly sshKeys: readonly string[];
  userData: string;
  rootPassword: string | null;
}

/** A server's disk as it was once, to make other disks from: the API's image of type `snapshot`. */
export interface Snapshot {
  readonly id: number;
  status: "creating" | "available";
  description: string;
  readonly created: string;
  readonly createdFrom: { readonly id: number; readonly name: string };
  /** Number of the vendor's image that the disk once began as. */
  readonly origin: number;
  /** GB that a server's disk must have. */
  readonly diskSize: number;
  /** GB of its own layer, once that is there. */
  imageSize: number | null;
  labels: Labels;
  protection: { delete: boolean };
  /** When it was deleted: the record and the layer stay as long as a server or another snapshot needs them. */
  deleted: string | null;
  /** Folder name of the base image beneath. */
  readonly base: string;
  /** Folders of the layers beneath its own, the topmost first. */
  readonly beneath: readonly string[];
}

/** Everything a lab remembers. */
export interface LabState {
  nextId: number;
  servers: Server[];
  sshKeys: SshKey[];
  firewalls: Firewall[];
  primaryIps: PrimaryIp[];
  images: Snapshot[];
  actions: Action[];
}

const keptActions = 1000;

/** A lab without anything. */
export function newState(): LabState {
  return { nextId: 1001, servers: [], sshKeys: [], firewalls: [], primaryIps: [], images: [], actions: [] };
}

/** A state from a file, which may be older than a kind of resource. */
function completed(kept: Partial<LabState>): LabState {
  return { ...newState(), ...kept };
}

/** The lab's memory, written to one file after each change. */
export class Store {
  readonly state: LabState;

  /** @param path - file to keep the state in; without one it lives in memory only (unit tests). */
  constructor(private readonly path?: string) {
    const kept =
      path !== undefined && existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Partial<LabState>) : {};
    this.state = completed(kept);
  }

  /** Makes this the state, in the lists that everybody holds already. */
  replace(kept: Partial<LabState>): void {
    const state = completed(kept);
    const into = <T>(list: T[], items: readonly T[]): void => {
      list.splice(0, list.length, ...items);
    };
    this.state.nextId = state.nextId;
    into(this.state.servers, state.servers);
    into(this.state.sshKeys, state.sshKeys);
    into(this.state.firewalls, state.firewalls);
    into(this.state.primaryIps, state.primaryIps);
    into(this.state.images, state.images);
    into(this.state.actions, state.actions);
    this.save();
  }

  /** A number that no resource of this lab ever had. */
  newId(): number {
    return this.state.nextId++;
  }

  /** Writes the state, whole or not at all; user_data may hold secrets, so only root reads it. */
  save(): void {
    if (this.path === undefined) {
      return;
    }
    const { actions } = this.state;
    actions.splice(0, Math.max(0, actions.length - keptActions));
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const temporary = `${this.path}.new`;
    writeFileSync(temporary, `${JSON.stringify(this.state, undefined, 1)}\n`, { mode: 0o600 });
    renameSync(temporary, this.path);
  }
}
