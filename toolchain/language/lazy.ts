// Part of what is preloaded into the program. At its start Pulumi's SDK loads half of its packages for things that few programs do. Here
// these are loaded when they are first used.
import Module from "node:module";

type Load = (request: string, parent: { filename: string | null } | undefined, isMain: boolean) => unknown;

/** The loader of CommonJS modules: not public, but what every require hook replaces. */
interface Loader {
  _load: Load;
  _resolveFilename: Load;
}

/** The part of the SDK that gives each promise a text to find it by, should it never settle. */
interface Debuggable {
  debugPromiseLeaks: boolean;
  debuggablePromise: (...args: unknown[]) => unknown;
}

// To serialize functions, to compare versions, to trace, to read a manifest, and to run Pulumi from a program.
const LAZY =
  /^(typescript|@npmcli\/arborist|fdir|normalize-package-data|js-yaml|semver|\.\/automation|@opentelemetry\/.*)$/;
const loader = Module as unknown as Loader;
const load = loader._load;
let known = false;

loader._load = function (this: unknown, request, parent, isMain) {
  const fromSdk = parent?.filename?.includes("/node_modules/@pulumi/pulumi/") === true;
  if (fromSdk && !known && request.endsWith("/debuggable")) {
    known = true;
    return withoutStack(load.call(this, request, parent, isMain) as Debuggable);
  }
  if (!fromSdk || !LAZY.test(request)) return load.call(this, request, parent, isMain);
  loader._resolveFilename(request, parent, isMain); // one that is missing must still fail here
  let loaded: object | undefined;
  const real = (): object => (loaded ??= load.call(this, request, parent, isMain) as object);
  return new Proxy(
    {},
    {
      get: (_target, key) => {
        // Compiled `import *` asks for this mark and would otherwise copy every property.
        if (key === "__esModule") return true;
        // What has not got the mark itself is its own default.
        if (key === "default" && !Reflect.has(real(), "__esModule")) return real();
        return Reflect.get(real(), key) as unknown;
      },
      has: (_target, key) => Reflect.has(real(), key),
    },
  );
};

/** Takes no stack trace of each promise, which costs a fifth of a run and is shown only to those who look for leaks. */
function withoutStack(debuggable: Debuggable): Debuggable {
  const { debugPromiseLeaks, debuggablePromise } = debuggable;
  if (debugPromiseLeaks) return debuggable;
  debuggable.debuggablePromise = (...args) => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(...args);
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
  return debuggable;
}
