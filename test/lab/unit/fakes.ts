import { FastifyInstance } from "fastify";
import { buildApi } from "../../../lab/api/app";
import { Lab } from "../../../lab/api/context";
import { FilteredHost, HostDriver, HostSpec } from "../../../lab/host/spec";
import { instanceOf, labToken } from "../../../lab/instances";
import { Store } from "../../../lab/state";

/** A driver that boots nothing and remembers what it was told. */
export class FakeDriver implements HostDriver {
  readonly calls: string[] = [];
  readonly running = new Set<number>();
  /** Folders of layers that are there. */
  readonly layers = new Set<string>();
  filter: readonly FilteredHost[] = [];
  /** Spec of the last boot. */
  booted: HostSpec | undefined;
  /** Makes the next boot or snapshot fail. */
  failure: Error | undefined;
  /** Holds back every boot and snapshot until it resolves. */
  gate: Promise<void> = Promise.resolve();

  createDisk(spec: HostSpec): Promise<void> {
    this.calls.push(`disk ${spec.name}`);
    return Promise.resolve();
  }
  removeDisk(id: number): Promise<void> {
    this.calls.push(`remove ${String(id)}`);
    return Promise.resolve();
  }
  async saveDisk(id: number, folder: string, move: boolean): Promise<number> {
    this.calls.push(`${move ? "move" : "copy"} ${String(id)}`);
    await this.gate;
    if (this.failure !== undefined) {
      throw this.failure;
    }
    this.layers.add(folder);
    return 123_456_789;
  }
  hasLayer(folder: string): boolean {
    return this.layers.has(folder);
  }
  removeLayer(folder: string): Promise<void> {
    this.calls.push("remove layer");
    this.layers.delete(folder);
    return Promise.resolve();
  }
  resume(id: number): void {
    this.calls.push(`resume ${String(id)}`);
  }
  async powerOn(spec: HostSpec): Promise<void> {
    this.calls.push(`on ${spec.name}`);
    await this.gate;
    if (this.failure !== undefined) {
      throw this.failure;
    }
    this.booted = spec;
    this.running.add(spec.id);
  }
  powerOff(id: number): Promise<void> {
    this.calls.push(`off ${String(id)}`);
    this.running.delete(id);
    return Promise.resolve();
  }
  requestShutdown(id: number): void {
    this.calls.push(`button ${String(id)}`);
  }
  requestReboot(id: number): void {
    this.calls.push(`reboot ${String(id)}`);
  }
  isRunning(id: number): boolean {
    return this.running.has(id);
  }
  applyFilter(hosts: readonly FilteredHost[]): Promise<void> {
    this.filter = hosts;
    return Promise.resolve();
  }
}

/** An answer of the API. */
export interface Answer {
  readonly status: number;
  /** Parsed body; tests read it with optional chaining, a missing part fails the comparison. */
  readonly body: Json;
}

/** Parsed JSON that can be walked freely. */
export interface Json {
  readonly [key: string]: Json;
}

/** A value of an answer as text, e.g. for a path. */
export const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** The API over a fake driver, without a socket. */
export class FakeLab {
  readonly driver = new FakeDriver();
  /** What the daemon would have written to its log. */
  readonly log: string[] = [];
  readonly store: Store;
  readonly lab: Lab;
  private readonly api: FastifyInstance;

  constructor(path?: string) {
    this.store = new Store(path);
    this.lab = new Lab(
      instanceOf("test"),
      this.store,
      this.driver,
      (line) => this.log.push(line),
      () => "base-trixie-0",
    );
    this.api = buildApi(this.lab, labToken, { instance: "test", checkout: "/nowhere", version: "1", pid: 1 });
  }

  async call(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    body?: unknown,
    token = labToken,
  ): Promise<Answer> {
    const response = await this.api.inject({
      method,
      url: `/v1${path}`,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    return { status: response.statusCode, body: response.body === "" ? {} : response.json<Json>() };
  }

  /** Sends a body as it is. */
  async raw(path: string, payload: string): Promise<Answer> {
    const headers = { authorization: `Bearer ${labToken}`, "content-type": "application/json" };
    const response = await this.api.inject({ method: "POST", url: `/v1${path}`, headers, payload });
    return { status: response.statusCode, body: response.json<Json>() };
  }

  /** Creates a server and waits for its boot. */
  async server(name: string, extra: object = {}): Promise<Json> {
    const answer = await this.call("POST", "/servers", { name, server_type: "cx23", image: "debian-13", ...extra });
    if (answer.status !== 201) {
      throw new Error(JSON.stringify(answer.body));
    }
    await this.lab.actions.settle();
    return answer.body;
  }
}
