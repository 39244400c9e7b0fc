// Modules compiled once and kept, so that the many short runs of node here need not parse the same files again and again. What a module
// does is not changed: the code is the same, under its own file name, and a file that changed is compiled anew.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import Module from "node:module";
import { dirname } from "node:path";
import { cachedDataVersionTag } from "node:v8";
import { Script, constants } from "node:vm";
import { pack, unpack, type Entry } from "./archive";

/** A module with the parts of node's loader that are not public, but that every require hook replaces. */
interface Loaded extends NodeJS.Module {
  load: (this: Loaded, filename: string) => void;
  _compile: (this: Loaded, code: string, filename: string) => unknown;
}

type Body = (
  exports: unknown,
  require: NodeJS.Require,
  module: NodeJS.Module,
  filename: string,
  directory: string,
) => unknown;

const internals = Module as unknown as {
  prototype: Loaded;
  _cache: NodeJS.Require["cache"];
  _extensions: NodeJS.Require["extensions"];
  _nodeModulePaths(directory: string): string[];
  _resolveFilename(request: string, parent: NodeJS.Module | undefined, isMain: boolean, options?: object): string;
  _resolveLookupPaths(request: string, parent: NodeJS.Module): string[] | null;
};
const original = { load: internals.prototype.load, compile: internals.prototype._compile };

// So many new modules, of all that a run loaded, make it worth to write the archive again.
const WORTH_WRITING = 1 / 20;

// The line on which a module begins has this in front, which must not count in the columns of its stack traces.
const opening = Module.wrap("").indexOf("\n");
const inPackage = /[\\/]node_modules[\\/]/;

/**
 * Takes compiled modules from an archive from now on, and writes what it lacks when this process ends well. Node and V8 decide whether
 * they can use it: its name has their version in it.
 */
export function cacheModules(archive: string): void {
  const file = `${archive}-${String(cachedDataVersionTag())}`;
  const known = read(file);
  const used = new Map<string, Entry & { script: Script }>();
  let missed = 0;

  const run = (
    module: Loaded,
    filename: string,
    entry: Omit<Entry, "data"> & { data?: Buffer | undefined },
  ): unknown => {
    const { code, data } = entry;
    const script = new Script(Module.wrap(code), {
      filename,
      columnOffset: -opening,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      ...(data !== undefined && { cachedData: data }),
    });
    if (script.cachedDataRejected !== false) missed++;
    used.set(filename, { ...entry, data: data ?? Buffer.alloc(0), script });
    const body = script.runInThisContext() as Body;
    return body.call(module.exports, module.exports, requireOf(module), module, filename, dirname(filename));
  };

  // A package's file that is as it was needs neither to be read nor to be looked at by other hooks.
  internals.prototype.load = function (filename) {
    const entry = inPackage.test(filename) ? known.get(filename) : undefined;
    if (entry?.stamp === undefined || entry.stamp !== stampOf(filename)) {
      original.load.call(this, filename);
      return;
    }
    this.filename = filename;
    this.paths = internals._nodeModulePaths(dirname(filename));
    run(this, filename, entry);
    this.loaded = true;
  };

  internals.prototype._compile = function (code, filename) {
    const entry = known.get(filename);
    try {
      return run(this, filename, {
        stamp: stampOf(filename),
        code,
        data: entry?.code === code ? entry.data : undefined,
      });
    } catch (error) {
      if (used.has(filename) || !(error instanceof SyntaxError)) throw error;
      return original.compile.call(this, code, filename); // node says better what is wrong, or knows what to do
    }
  };

  process.once("exit", (exitCode) => {
    if (exitCode === 0 && missed > used.size * WORTH_WRITING) write(file, used);
  });
}

/** What node's own `_compile` gives a module as `require`. */
function requireOf(module: NodeJS.Module): NodeJS.Require {
  const resolve = Object.assign(
    (request: string, options?: object) => internals._resolveFilename(request, module, false, options),
    { paths: (request: string) => internals._resolveLookupPaths(request, module) },
  );
  return Object.assign((request: string): unknown => module.require(request), {
    resolve,
    // It is not known yet when this file is loaded, as `require.main` here would be.
    main: (process as { mainModule?: NodeJS.Module }).mainModule,
    extensions: internals._extensions,
    cache: internals._cache,
  });
}

/** Tells whether a file is still the same one; none if it is gone. */
function stampOf(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat && [stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino].join(" ");
}

function read(file: string): Map<string, Entry> {
  try {
    return unpack(readFileSync(file));
  } catch {
    return new Map(); // there is none yet
  }
}

/** Not having it is no reason to fail. */
function write(file: string, modules: ReadonlyMap<string, Entry & { script: Script }>): void {
  const partial = `${file}.${String(process.pid)}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const entries = [...modules].map(([name, { stamp, code, script }]) => {
      return [name, { stamp, code, data: script.createCachedData() }] as const;
    });
    writeFileSync(partial, pack(new Map(entries)));
    renameSync(partial, file);
  } catch {
    return;
  }
}
