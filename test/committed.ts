import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";

const root = path.join(__dirname, "..");

/** Compares a text with the committed file, by its path in the project; writes it there if UPDATE_GOLDEN is set. */
export function committed(name: string, content: string): void {
  const file = path.join(root, name);
  if (process.env["UPDATE_GOLDEN"] !== undefined) {
    fs.writeFileSync(file, content);
  }
  const found = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  assert.equal(content, found, `${name} differs; if that is right: UPDATE_GOLDEN=1 npm run test:unit`);
}
