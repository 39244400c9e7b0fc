import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../toolchain/paths";

/** The commit of the last release, from which a host must be taken over by one `pulumi up`. */
export const releaseFile = join(__dirname, "release");

/** Folder of the program as that release had it, from git's history; it runs on the packages of today. */
export function oldProgram(): string {
  const commit = readFileSync(releaseFile, "utf8").trim();
  const folder = join(root, ".state/releases", commit);
  if (!existsSync(folder)) {
    const partial = `${folder}.${String(process.pid)}`;
    mkdirSync(partial, { recursive: true });
    const paths = ["index.ts", "Pulumi.yaml", "package.json", "tsconfig.json", "components", "lib", "templates"];
    const archive = execFileSync("git", ["archive", commit, "--", ...paths], { cwd: root, maxBuffer: 64 * 1024 ** 2 });
    execFileSync("tar", ["-x", "-C", partial], { input: archive });
    symlinkSync(join(root, "node_modules"), join(partial, "node_modules"));
    try {
      renameSync(partial, folder);
    } catch (error) {
      rmSync(partial, { recursive: true }); // another test file was quicker
      if (!existsSync(folder)) throw error;
    }
  }
  return folder;
}
