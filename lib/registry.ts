import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Right in every program: `openclaw.registry` is a key of the configuration, and an argument of `Host`. */
const remedy = "set openclaw.registry, or name one for this run: npm_config_registry=URL pulumi up";

/**
 * Base URL of the npm registry that this machine's npm is set up for, with a slash at its end.
 *
 * @throws Error if there is no npm, or it has no usable answer
 */
export async function npmRegistry(): Promise<string> {
  let answer = process.env["npm_config_registry"];
  if (answer === undefined) {
    try {
      const { stdout } = await promisify(execFile)("npm", ["config", "get", "registry"], { timeout: 30_000 });
      answer = stdout.trim();
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).trim();
      throw new Error(`can't ask npm for its registry (${reason}); ${remedy}`);
    }
  }
  if (!URL.canParse(answer)) {
    throw new Error(`npm's registry "${answer}" is not a URL; ${remedy}`);
  }
  return answer.endsWith("/") ? answer : `${answer}/`;
}
