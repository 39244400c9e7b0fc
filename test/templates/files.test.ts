import assert from "node:assert/strict";
import { test } from "node:test";
import { hostPaths, hostText } from "../../components/layers/files";
import { sampleLayers } from "./samples";

// A file that no layer brings is on no host, and one that two bring is fought over.

void test("each file of the host's script folder is brought by exactly one layer", () => {
  const layers = Object.entries(sampleLayers());
  const files = hostPaths("usr/local/vps-scripts");
  assert.ok(files.length > 30);
  for (const file of files) {
    const text = hostText(file);
    const bringing = layers.filter(([, script]) => script.includes(text)).map(([layer]) => layer);
    assert.equal(bringing.length, 1, `${file} is brought by: ${bringing.join(", ") || "no layer"}`);
  }
});
