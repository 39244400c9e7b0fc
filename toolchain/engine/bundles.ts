import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cached, fill, fingerprint } from "../cache";
import { root } from "../paths";
import { step } from "../report";

/** A program that the engine starts, bundled into one file so that it starts fast. */
export interface Bundle {
  /** Its TypeScript entry point, below toolchain/. */
  entry: string;
  /** Its path below Pulumi's home. */
  path: string;
  /** Its file in the cache. */
  file: string;
}

/** The language host and the stand-in plugins; bundled now if their sources changed. */
export async function ensureBundles(): Promise<Bundle[]> {
  const folder = cached("plugins", fingerprint([...SOURCES, join(root, "package-lock.json"), __filename]));
  const bundles = programs().map((program) => ({
    ...program,
    file: join(folder, basename(program.path)),
  }));
  if (!existsSync(folder)) {
    await step("stand-in plugins: bundle", async () => {
      await fill(folder, async (partial) => {
        await mkdir(partial, { recursive: true });
        await bundle(join(root, "toolchain/start/moduleCache.ts"), join(partial, "module-cache.js"));
        for (const { entry, path } of bundles) await produce(entry, join(partial, basename(path)));
      });
    });
  }
  return bundles;
}

const SOURCES = ["toolchain/language", "toolchain/standins", "toolchain/start", "lib/hujson.ts"].map((path) =>
  join(root, path),
);

// Each run of the engine starts most of these programs, and to compile them takes as long as all that they do: V8's code is kept beside them.
const LAUNCHER = (bundled: string) =>
  `#!/usr/bin/env node\nrequire("./module-cache.js").cacheModules(__filename);\nrequire(${JSON.stringify(`./${bundled}`)});\n`;

/** The versions are those of the npm packages: the engine looks for exactly them. */
function programs(): Pick<Bundle, "entry" | "path">[] {
  const plugins = ["command", "random", "hcloud", "tailscale"].flatMap((name) => {
    const entry = join(root, "toolchain/standins", name, "main.ts");
    if (!existsSync(entry)) return [];
    const manifest = readFileSync(join(root, "node_modules/@pulumi", name, "package.json"), "utf8");
    const { version } = JSON.parse(manifest) as { version: string };
    return [{ entry, path: `plugins/resource-${name}-v${version}/pulumi-resource-${name}` }];
  });
  return [
    { entry: join(root, "toolchain/language/main.ts"), path: "lib/pulumi-language-nodejs" },
    { entry: join(root, "toolchain/language/preload.ts"), path: "lib/pulumi-program-preload.js" },
    ...plugins,
  ];
}

/** Makes a script to require, or else a program to start. */
async function produce(entry: string, output: string): Promise<void> {
  if (output.endsWith(".js")) return bundle(entry, output);
  await bundle(entry, `${output}.js`);
  await writeFile(output, LAUNCHER(`${basename(output)}.js`), { mode: 0o755 });
}

async function bundle(entry: string, output: string): Promise<void> {
  const { build } = await import("esbuild");
  await build({
    entryPoints: [entry],
    outfile: output,
    bundle: true,
    platform: "node",
    target: "node20",
    minify: true,
    keepNames: true,
    // Optional native speed-ups of ssh2, which does without.
    external: ["cpu-features", "*.node"],
    logLevel: "error",
    legalComments: "none",
  });
}
