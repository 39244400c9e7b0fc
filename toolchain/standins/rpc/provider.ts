import * as grpc from "@grpc/grpc-js";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { PluginInfo, type PluginAttach } from "@pulumi/pulumi/proto/plugin_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { diffMaps } from "./diff";
import { Engine } from "./engine";
import { check, type Failure } from "./fields";
import { announce } from "./notice";
import { foresee, inputsOf, markSecrets, plain, plan } from "./plan";
import {
  PartialFailure,
  type Ask,
  type Context,
  type Difference,
  type Plugin,
  type Resource,
  type State,
} from "./resource";
import { StatusError, serve, unary, unimplemented } from "./serve";
import { containsUnknown, type ValueMap } from "./values";
import { fromStruct, initFailed, toStruct } from "./wire";

const KINDS = {
  add: [pb.PropertyDiff.Kind.ADD, pb.PropertyDiff.Kind.ADD_REPLACE],
  delete: [pb.PropertyDiff.Kind.DELETE, pb.PropertyDiff.Kind.DELETE_REPLACE],
  update: [pb.PropertyDiff.Kind.UPDATE, pb.PropertyDiff.Kind.UPDATE_REPLACE],
} as const;

/** What a request about a resource says of it. */
interface Target {
  getUrn(): string;
  getType(): string;
  getName(): string;
}

/** Serves a stand-in plugin on Pulumi's provider protocol. */
class Provider<Config> {
  private engine: Engine | undefined;
  private resources: Record<string, Resource> | undefined;
  private functions: Record<string, Ask> = {};
  private readonly cancelled = new AbortController();

  constructor(private readonly plugin: Plugin<Config>) {
    const address = process.argv.slice(2).find((argument) => /^[\d.]+:\d+$/.test(argument));
    if (address !== undefined) this.engine = new Engine(address);
  }

  handshake(request: pb.ProviderHandshakeRequest): pb.ProviderHandshakeResponse {
    this.engine ??= new Engine(request.getEngineAddress());
    const response = new pb.ProviderHandshakeResponse();
    response.setAcceptSecrets(true);
    return response;
  }

  attach(request: PluginAttach): Empty {
    this.engine = new Engine(request.getAddress());
    return new Empty();
  }

  checkConfig(request: pb.CheckRequest): pb.CheckResponse {
    return checked(check(this.plugin.config, fromStruct(request.getNews())));
  }

  diffConfig(request: pb.DiffRequest): pb.DiffResponse {
    const changes = diffMaps(fromStruct(request.getOldInputs()), fromStruct(request.getNews()));
    const entries = Object.entries(changes).map(([path, change]) => [path, { change, replace: false }] as const);
    return differing(Object.fromEntries(entries));
  }

  async configure(request: pb.ConfigureRequest): Promise<pb.ConfigureResponse> {
    const given = fromStruct(request.getArgs());
    // A preview may not know the configuration yet: then only what needs no configuration works.
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => !containsUnknown(value)));
    const { inputs, failures } = check(this.plugin.config, known);
    if (failures.length > 0) {
      const reasons = failures.map(({ property, reason }) => `${this.plugin.name}:${property}: ${reason}`);
      throw new StatusError(reasons.join("\n"), grpc.status.INVALID_ARGUMENT);
    }
    const config = await this.plugin.configure(plain(inputs));
    this.resources = this.plugin.resources(config);
    this.functions = this.plugin.functions?.(config) ?? {};
    if (this.engine !== undefined) await announce(this.engine);
    const response = new pb.ConfigureResponse();
    response.setAcceptsecrets(true);
    response.setSupportspreview(true);
    return response;
  }

  check(request: pb.CheckRequest): pb.CheckResponse {
    const resource = this.find(request);
    const result = check(resource.inputs, fromStruct(request.getNews()));
    if (result.failures.length === 0 && resource.check !== undefined) {
      const olds = request.hasOlds() ? fromStruct(request.getOlds()) : undefined;
      result.failures.push(
        ...resource.check(result.inputs, { name: nameOf(request), olds, seed: request.getRandomseed_asU8() }),
      );
    }
    return checked(result);
  }

  diff(request: pb.DiffRequest): pb.DiffResponse {
    const resource = this.find(request);
    const oldInputs = fromStruct(request.getOldInputs());
    const [olds, news] = [fromStruct(request.getOlds()), fromStruct(request.getNews())];
    const response = differing(plan(resource, olds, oldInputs, news));
    response.setStablesList([...(resource.stable ?? [])]);
    const clashes = resource.deleteBeforeReplace?.(olds, news) === true;
    response.setDeletebeforereplace(clashes && response.getReplacesList().length > 0);
    return response;
  }

  async create(request: pb.CreateRequest): Promise<pb.CreateResponse> {
    const resource = this.find(request);
    const inputs = fromStruct(request.getProperties());
    await this.validate(request, resource, inputs);
    const response = new pb.CreateResponse();
    if (request.getPreview()) {
      response.setProperties(toStruct(foresee(resource, inputs, undefined, true)));
      return response;
    }
    const state = await this.finish(request, resource, inputs, (context) =>
      resource.create(plain(inputsOf(resource, inputs)), context),
    );
    response.setId(state.id);
    response.setProperties(toStruct(markSecrets(resource, state.outputs, inputs)));
    return response;
  }

  async read(request: pb.ReadRequest): Promise<pb.ReadResponse> {
    const resource = this.find(request);
    const inputs = fromStruct(request.getInputs());
    const properties = fromStruct(request.getProperties());
    const response = new pb.ReadResponse();
    if (resource.read === undefined) {
      response.setId(request.getId());
      response.setProperties(request.getProperties());
      response.setInputs(request.getInputs());
      return response;
    }
    const context = this.context(request);
    const state = await resource.read(request.getId(), plain(inputs), plain(properties), context);
    if (state === undefined) return response; // no id: it is gone
    response.setId(state.id);
    response.setProperties(toStruct(markSecrets(resource, state.outputs, { ...properties, ...inputs })));
    response.setInputs(toStruct(markSecrets(resource, state.inputs ?? plain(inputs), inputs)));
    return response;
  }

  async update(request: pb.UpdateRequest): Promise<pb.UpdateResponse> {
    const resource = this.find(request);
    const [olds, news] = [fromStruct(request.getOlds()), fromStruct(request.getNews())];
    await this.validate(request, resource, news);
    const response = new pb.UpdateResponse();
    if (request.getPreview()) {
      const changes = plan(resource, olds, fromStruct(request.getOldInputs()), news);
      response.setProperties(toStruct(foresee(resource, news, olds, Object.keys(changes).length > 0)));
      return response;
    }
    const { update } = resource;
    if (update === undefined) throw new Error(`a ${request.getType()} can't be updated, only replaced`);
    const id = request.getId();
    const state = await this.finish(request, resource, news, async (context) => ({
      id,
      outputs: await update(id, plain(olds), plain(inputsOf(resource, news)), context),
    }));
    response.setProperties(toStruct(markSecrets(resource, state.outputs, news)));
    return response;
  }

  async delete(request: pb.DeleteRequest): Promise<Empty> {
    const resource = this.find(request);
    await resource.delete(request.getId(), plain(fromStruct(request.getProperties())), this.context(request));
    await this.engine?.flushed();
    return new Empty();
  }

  async invoke(request: pb.InvokeRequest): Promise<pb.InvokeResponse> {
    const ask = this.functions[request.getTok()] ?? uncovered(this.plugin.name, request.getTok(), this.functions);
    const response = new pb.InvokeResponse();
    response.setReturn(toStruct(await ask(plain(fromStruct(request.getArgs())))));
    return response;
  }

  cancel(): Empty {
    this.cancelled.abort(new Error("cancelled"));
    return new Empty();
  }

  info(): PluginInfo {
    const response = new PluginInfo();
    response.setVersion(this.plugin.version);
    return response;
  }

  private async validate(request: Target, resource: Resource, inputs: ValueMap): Promise<void> {
    const own = inputsOf(resource, inputs);
    if (!containsUnknown(own)) await resource.validate?.(plain(own), this.context(request));
  }

  /** Runs a create or an update; keeps what it made even if it failed half-way, and all that it logged. */
  private async finish(
    request: Target,
    resource: Resource,
    inputs: ValueMap,
    work: (context: Context) => Promise<State>,
  ): Promise<State> {
    try {
      return await work(this.context(request));
    } catch (error) {
      if (!(error instanceof PartialFailure)) throw error;
      const outputs = markSecrets(resource, error.state.outputs, inputs);
      throw initFailed(error.message, error.state.id, inputs, outputs);
    } finally {
      await this.engine?.flushed();
    }
  }

  private find(request: Target): Resource {
    if (this.resources === undefined) throw new Error(`the ${this.plugin.name} plugin is not configured`);
    const type = request.getType() || (request.getUrn().split("::")[2]?.split("$").pop() ?? "");
    return this.resources[type] ?? uncovered(this.plugin.name, type, this.resources);
  }

  private context(request: Target): Context {
    const quiet = { info() {}, status() {}, warn() {}, error() {} };
    const urn = request.getUrn();
    const log = this.engine?.log(urn) ?? quiet;
    return { urn, name: nameOf(request), log, signal: this.cancelled.signal };
  }
}

/** @throws Error that says what the plugin covers */
function uncovered(plugin: string, token: string, covered: object): never {
  const names = Object.keys(covered).join(", ") || "none of its kind";
  throw new Error(
    `the stand-in ${plugin} plugin does not cover ${token}, only ${names}: ` +
      "install Pulumi from pulumi.com, and the official plugin is used instead",
  );
}

function nameOf(request: Target): string {
  return request.getName() || (request.getUrn().split("::").pop() ?? "");
}

function checked({ inputs, failures }: { inputs: ValueMap; failures: Failure[] }): pb.CheckResponse {
  const response = new pb.CheckResponse();
  response.setInputs(toStruct(inputs));
  for (const { property, reason } of failures) {
    const failure = new pb.CheckFailure();
    failure.setProperty(property);
    failure.setReason(reason);
    response.addFailures(failure);
  }
  return response;
}

function differing(changes: Record<string, Difference>): pb.DiffResponse {
  const response = new pb.DiffResponse();
  const paths = Object.keys(changes);
  response.setChanges(paths.length > 0 ? pb.DiffResponse.DiffChanges.DIFF_SOME : pb.DiffResponse.DiffChanges.DIFF_NONE);
  response.setDiffsList(paths);
  response.setReplacesList(paths.filter((path) => changes[path]?.replace === true));
  response.setHasdetaileddiff(true);
  for (const [path, { change, replace }] of Object.entries(changes)) {
    const detail = new pb.PropertyDiff();
    detail.setKind(KINDS[change][replace ? 1 : 0]);
    response.getDetaileddiffMap().set(path, detail);
  }
  return response;
}

/** Serves a stand-in plugin until the engine ends it. */
export function main<Config>(plugin: Plugin<Config>): void {
  const provider = new Provider(plugin);
  const not = (what: string): grpc.handleUnaryCall<unknown, never> =>
    unimplemented(
      `the stand-in ${plugin.name} plugin has no ${what}: install Pulumi from pulumi.com for the official one`,
    );
  const methods: Record<string, grpc.UntypedHandleCall> = {
    handshake: unary((request: pb.ProviderHandshakeRequest) => provider.handshake(request)),
    attach: unary((request: PluginAttach) => provider.attach(request)),
    checkConfig: unary((request: pb.CheckRequest) => provider.checkConfig(request)),
    diffConfig: unary((request: pb.DiffRequest) => provider.diffConfig(request)),
    configure: unary((request: pb.ConfigureRequest) => provider.configure(request)),
    check: unary((request: pb.CheckRequest) => provider.check(request)),
    diff: unary((request: pb.DiffRequest) => provider.diff(request)),
    create: unary((request: pb.CreateRequest) => provider.create(request)),
    read: unary((request: pb.ReadRequest) => provider.read(request)),
    update: unary((request: pb.UpdateRequest) => provider.update(request)),
    delete: unary((request: pb.DeleteRequest) => provider.delete(request)),
    invoke: unary((request: pb.InvokeRequest) => provider.invoke(request)),
    cancel: unary(() => provider.cancel()),
    getPluginInfo: unary(() => provider.info()),
    getSchema: not("schema"),
    parameterize: not("parameters"),
    call: not("methods"),
    construct: not("components"),
    getMapping: not("mappings"),
    getMappings: not("mappings"),
  };
  serve((server) => {
    server.addService(ResourceProviderService, methods);
  });
}
