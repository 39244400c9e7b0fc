import { spawn } from "node:child_process";
import * as grpc from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/language_pb";
import { PackageDependency, PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { version } from "@pulumi/pulumi/package.json";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { serve, unary, unimplemented } from "../standins/rpc/serve";
import { dependencies, requiredPlugins } from "./packages";
import { runProgram } from "./program";

const cancelled = new AbortController();
let engine = process.argv.slice(2).find((argument) => /^[\d.]+:\d+$/.test(argument)) ?? "";

function handshake(request: pb.LanguageHandshakeRequest): pb.LanguageHandshakeResponse {
  engine = request.getEngineAddress();
  return new pb.LanguageHandshakeResponse();
}

function getRequiredPackages(request: pb.GetRequiredPackagesRequest): pb.GetRequiredPackagesResponse {
  const response = new pb.GetRequiredPackagesResponse();
  for (const plugin of requiredPlugins(request.getInfo()?.getProgramDirectory() ?? ".")) {
    const dependency = new PackageDependency();
    dependency.setName(plugin.name);
    dependency.setKind("resource");
    dependency.setVersion(plugin.version);
    dependency.setServer(plugin.server);
    response.addPackages(dependency);
  }
  return response;
}

async function run(request: pb.RunRequest): Promise<pb.RunResponse> {
  try {
    return await runProgram(request, engine, cancelled.signal);
  } catch (error) {
    const response = new pb.RunResponse();
    response.setError((error as Error).message);
    return response;
  }
}

function about(request: pb.AboutRequest): pb.AboutResponse {
  const response = new pb.AboutResponse();
  response.setExecutable(process.execPath);
  response.setVersion(process.version);
  const metadata = response.getMetadataMap();
  metadata.set("host", "stand-in language host of this project");
  const folder = request.getInfo()?.getProgramDirectory() ?? ".";
  const typescript = dependencies(folder, false).find(({ name }) => name === "typescript");
  if (typescript !== undefined) metadata.set("typescriptVersion", typescript.version);
  return response;
}

function getProgramDependencies(request: pb.GetProgramDependenciesRequest): pb.GetProgramDependenciesResponse {
  const response = new pb.GetProgramDependenciesResponse();
  const folder = request.getInfo()?.getProgramDirectory() ?? ".";
  for (const { name, version: installed } of dependencies(folder, request.getTransitivedependencies())) {
    const dependency = new pb.DependencyInfo();
    dependency.setName(name);
    dependency.setVersion(installed);
    response.addDependencies(dependency);
  }
  return response;
}

/** `pulumi install`: exactly what the lock file says, and no package's own scripts. */
function installDependencies(
  call: grpc.ServerWritableStream<pb.InstallDependenciesRequest, pb.InstallDependenciesResponse>,
): void {
  const cwd = call.request.getInfo()?.getProgramDirectory() ?? ".";
  const child = spawn("npm", ["ci", "--ignore-scripts"], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const forward = (stream: "setStdout" | "setStderr") => (chunk: Buffer) => {
    const response = new pb.InstallDependenciesResponse();
    response[stream](chunk);
    call.write(response);
  };
  child.stdout.on("data", forward("setStdout"));
  child.stderr.on("data", forward("setStderr"));
  const fail = (details: string): void => {
    call.destroy(Object.assign(new Error(details), { code: grpc.status.UNKNOWN, details }));
  };
  child.on("error", (error) => {
    fail(`npm ci in ${cwd}: ${error.message}`);
  });
  child.on("close", (code) => {
    if (code === 0) call.end();
    else fail(`npm ci in ${cwd} ended with exit code ${String(code)}`);
  });
}

function getPluginInfo(): PluginInfo {
  const response = new PluginInfo();
  response.setVersion(version);
  return response;
}

function cancel(): Empty {
  cancelled.abort();
  return new Empty();
}

const not = (what: string): grpc.handleUnaryCall<unknown, never> =>
  unimplemented(`this project's stand-in language host can't ${what}: install Pulumi from pulumi.com for that`);

const methods: Record<string, grpc.UntypedHandleCall> = {
  handshake: unary(handshake),
  getRequiredPackages: unary(getRequiredPackages),
  getPluginInfo: unary(getPluginInfo),
  run: unary(run),
  about: unary(about),
  getProgramDependencies: unary(getProgramDependencies),
  installDependencies,
  runtimeOptionsPrompts: unary(() => new pb.RuntimeOptionsResponse()),
  template: unary(() => new pb.TemplateResponse()),
  cancel: unary(cancel),
  runPlugin: (call: grpc.ServerWritableStream<unknown, unknown>) => {
    const details = "this project's stand-in language host runs no plugins from source";
    call.destroy(Object.assign(new Error(details), { code: grpc.status.UNIMPLEMENTED, details }));
  },
  generateProgram: not("generate programs"),
  generateProject: not("generate projects"),
  generatePackage: not("generate packages"),
  pack: not("pack packages"),
  link: not("link packages"),
};

serve((server) => {
  server.addService(LanguageRuntimeService, methods);
});
