// Preloaded into the program. Pulumi's SDK loads the TypeScript compiler and npm's dependency resolver at its start, which takes 0.6 s, and
// needs them only to serialize functions. Here they are loaded when first used.
import Module from "node:module";

type Load = (request: string, parent: { filename: string | null } | undefined, isMain: boolean) => unknown;

/** The loader of CommonJS modules: not public, but what every require hook replaces. */
interface Loader {
  _load: Load;
  _resolveFilename: Load;
}

const LAZY = new Set(["typescript", "@npmcli/arborist"]);
const loader = Module as unknown as Loader;
const load = loader._load;

loader._load = function (this: unknown, request, parent, isMain) {
  const fromSdk = parent?.filename?.includes("/node_modules/@pulumi/pulumi/") === true;
  if (!LAZY.has(request) || !fromSdk) return load.call(this, request, parent, isMain);
  loader._resolveFilename(request, parent, isMain); // one that is missing must still fail here
  let loaded: object | undefined;
  const real = (): object => (loaded ??= load.call(this, request, parent, isMain) as object);
  return new Proxy(
    {},
    {
      // Compiled `import *` asks for this mark and would otherwise copy every property.
      get: (_target, key) => (key === "__esModule" ? true : (Reflect.get(real(), key) as unknown)),
      has: (_target, key) => Reflect.has(real(), key),
    },
  );
};
