import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** A text that changes whenever a file of the lab's code does: a daemon of older code is replaced. */
export function codeVersion(): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(__dirname, { recursive: true, encoding: "utf8" }).sort()) {
    const { size, mtimeMs } = statSync(join(__dirname, name));
    if (/\.(?:ts|sh)$/.test(name)) {
      hash.update(`${name} ${String(size)} ${String(mtimeMs)}\n`);
    }
  }
  return hash.digest("hex").slice(0, 16);
}
