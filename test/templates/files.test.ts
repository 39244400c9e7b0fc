import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { templatesDir } from "../../lib/render";
import { sampleLayers } from "./samples";

// A file that no layer brings is on no host, and one that two bring is fought over.

const folder = join(templatesDir, "host/usr/local/vps-scripts");

void test("each file of the host's script folder is brought by exactly one layer", () => {
  const layers = Object.entries(sampleLayers());
  const files = readdirSync(folder);
  assert.ok(files.length > 30);
  for (const file of files) {
    const text = readFileSync(join(folder, file), "utf8");
    const bringing = layers.filter(([, script]) => script.includes(text)).map(([layer]) => layer);
    assert.equal(bringing.length, 1, `${file} is brought by: ${bringing.join(", ") || "no layer"}`);
  }
});
