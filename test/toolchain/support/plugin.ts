import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { fromStruct, toStruct } from "../../../toolchain/standins/rpc/wire";
import type { ValueMap } from "../../../toolchain/standins/rpc/values";

const root = join(__dirname, "../../..");

/** A line that a plugin logged. */
export interface Line {
  severity: "debug" | "info" | "warning" | "error";
  message: string;
  /** Gone from the screen when the next one comes. */
  ephemeral: boolean;
}

// In the order of LogSeverity, whose compiled form knows no names.
const SEVERITIES = ["debug", "info", "warning", "error"] as const;

/** What `diff` said. */
export interface Diff {
  changed: boolean;
  replaces: string[];
  paths: string[];
  deleteBeforeReplace: boolean;
}

/** A stand-in plugin in a process of its own, as the engine runs it, spoken to over gRPC. */
export class PluginProcess {
  private constructor(
    /** All that it logged so far. */
    readonly lines: readonly Line[],
    private readonly child: ChildProcess,
    private readonly client: ResourceProviderClient,
    private readonly engine: grpc.Server,
    private readonly home: string,
    private readonly type: string,
  ) {}

  /** @param type token of the resource that the calls are about */
  static async start(
    name: string,
    type: string,
    config: ValueMap = {},
    env: NodeJS.ProcessEnv = {},
  ): Promise<PluginProcess> {
    const engine = new grpc.Server();
    const lines: Line[] = [];
    engine.addService(EngineService, {
      log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, callback: grpc.sendUnaryData<Empty>) => {
        const severity = SEVERITIES[call.request.getSeverity()];
        lines.push({ severity, message: call.request.getMessage(), ephemeral: call.request.getEphemeral() });
        callback(null, new Empty());
      },
    });
    const enginePort = await new Promise<number>((resolve, reject) => {
      engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
    const home = mkdtempSync(join(tmpdir(), "monoclaw-plugin-"));
    const main = join(root, "toolchain/standins", name, "main.ts");
    // tsx's loader for require() alone starts in a third of the time of the whole one.
    const child = spawn(process.execPath, ["--require", "tsx/cjs", main, `127.0.0.1:${String(enginePort)}`], {
      cwd: root,
      env: { ...process.env, SSH_AUTH_SOCK: "", PULUMI_HOME: home, ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    const plugin = new PluginProcess(lines, child, client, engine, home, type);
    const handshake = new pb.ProviderHandshakeRequest();
    handshake.setEngineAddress(`127.0.0.1:${String(enginePort)}`);
    await call((done) => client.handshake(handshake, done));
    try {
      await plugin.configure(config);
    } catch (error) {
      await plugin.stop();
      throw error;
    }
    return plugin;
  }

  /** The same process, for calls about another of its types; whoever started it stops it. */
  withType(type: string): PluginProcess {
    return new PluginProcess(this.lines, this.child, this.client, this.engine, this.home, type);
  }

  async configure(config: ValueMap): Promise<void> {
    const request = new pb.ConfigureRequest();
    request.setArgs(toStruct(config));
    await call((done) => this.client.configure(request, done));
  }

  async checkConfig(news: ValueMap): Promise<{ inputs: ValueMap }> {
    const request = new pb.CheckRequest();
    request.setNews(toStruct(news));
    const response = await call<pb.CheckResponse>((done) => this.client.checkConfig(request, done));
    return { inputs: fromStruct(response.getInputs()) };
  }

  async check(news: ValueMap, olds?: ValueMap): Promise<{ inputs: ValueMap; failures: Record<string, string> }> {
    const request = this.about(new pb.CheckRequest());
    request.setNews(toStruct(news));
    if (olds !== undefined) request.setOlds(toStruct(olds));
    const response = await call<pb.CheckResponse>((done) => this.client.check(request, done));
    const failures = response.getFailuresList().map((failure) => [failure.getProperty(), failure.getReason()] as const);
    return { inputs: fromStruct(response.getInputs()), failures: Object.fromEntries(failures) };
  }

  async diff(olds: ValueMap, oldInputs: ValueMap, news: ValueMap): Promise<Diff> {
    const request = this.about(new pb.DiffRequest());
    request.setOlds(toStruct(olds));
    request.setOldInputs(toStruct(oldInputs));
    request.setNews(toStruct(news));
    const response = await call<pb.DiffResponse>((done) => this.client.diff(request, done));
    return {
      changed: response.getChanges() === pb.DiffResponse.DiffChanges.DIFF_SOME,
      replaces: response.getReplacesList(),
      paths: response.getDiffsList(),
      deleteBeforeReplace: response.getDeletebeforereplace(),
    };
  }

  async create(inputs: ValueMap, preview = false): Promise<{ id: string; outputs: ValueMap }> {
    const request = this.about(new pb.CreateRequest());
    request.setProperties(toStruct(inputs));
    request.setPreview(preview);
    const response = await call<pb.CreateResponse>((done) => this.client.create(request, done));
    return { id: response.getId(), outputs: fromStruct(response.getProperties()) };
  }

  async update(id: string, olds: ValueMap, news: ValueMap, preview = false): Promise<ValueMap> {
    const request = this.about(new pb.UpdateRequest());
    request.setId(id);
    request.setOlds(toStruct(olds));
    request.setNews(toStruct(news));
    request.setPreview(preview);
    const response = await call<pb.UpdateResponse>((done) => this.client.update(request, done));
    return fromStruct(response.getProperties());
  }

  async read(
    id: string,
    inputs: ValueMap,
    outputs: ValueMap,
  ): Promise<{ id: string; inputs: ValueMap; outputs: ValueMap }> {
    const request = this.about(new pb.ReadRequest());
    request.setId(id);
    request.setInputs(toStruct(inputs));
    request.setProperties(toStruct(outputs));
    const response = await call<pb.ReadResponse>((done) => this.client.read(request, done));
    const [found, state] = [fromStruct(response.getInputs()), fromStruct(response.getProperties())];
    return { id: response.getId(), inputs: found, outputs: state };
  }

  async delete(id: string, outputs: ValueMap): Promise<void> {
    const request = this.about(new pb.DeleteRequest());
    request.setId(id);
    request.setProperties(toStruct(outputs));
    await call((done) => this.client.delete(request, done));
  }

  /** Asks a function of the plugin, by its token. */
  async invoke(token: string, args: ValueMap = {}): Promise<ValueMap> {
    const request = new pb.InvokeRequest();
    request.setTok(token);
    request.setArgs(toStruct(args));
    const response = await call<pb.InvokeResponse>((done) => this.client.invoke(request, done));
    return fromStruct(response.getReturn());
  }

  async cancel(): Promise<void> {
    await call((done) => this.client.cancel(new Empty(), done));
  }

  /** Messages of one severity, without those that say that this is a stand-in. */
  messages(severity: Line["severity"], ephemeral: boolean): string[] {
    const chosen = this.lines.filter((line) => line.severity === severity && line.ephemeral === ephemeral);
    return chosen.map(({ message }) => message).filter((message) => !message.startsWith("stand-in"));
  }

  /** Ends it the way the engine's death does: its stdin closes. */
  async stop(): Promise<void> {
    this.client.close();
    this.child.stdin?.end();
    if (this.child.exitCode === null) await once(this.child, "exit");
    this.engine.forceShutdown();
    rmSync(this.home, { recursive: true });
  }

  private about<
    Request extends { setUrn(urn: string): unknown; setType(type: string): unknown; setName(name: string): unknown },
  >(request: Request): Request {
    request.setUrn(`urn:pulumi:test::test::${this.type}::thing`);
    request.setType(this.type);
    request.setName("thing");
    return request;
  }
}

/** A failed call: the details for the engine, decoded. */
export function failureDetail(error: unknown): pb.ErrorResourceInitFailed | undefined {
  const [packed] = (error as grpc.ServiceError).metadata.get("grpc-status-details-bin");
  if (packed === undefined) return undefined;
  const [detail] = Status.deserializeBinary(packed as Buffer).getDetailsList();
  return detail && pb.ErrorResourceInitFailed.deserializeBinary(detail.getValue_asU8());
}

function call<Response>(
  start: (done: (error: grpc.ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}
