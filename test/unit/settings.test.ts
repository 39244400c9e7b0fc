import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, parseConfig } from "../../lib/config";
import { committed } from "../committed";
import { samples, wrong } from "./stackSamples";

void test("each key, right: the settings are the committed ones", () => {
  const settings = Object.entries(samples).map(([name, raw]) => {
    const { hosts, ...rest } = parseConfig(raw, __dirname, { secretKeys: new Set(["existing"]) });
    return [name, { ...rest, hosts: Object.fromEntries(hosts) }];
  });
  const replacer = (_: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : (value ?? "undefined");
  committed("test/unit/golden/settings.json", `${JSON.stringify(Object.fromEntries(settings), replacer, 2)}\n`);
});

void test("each key, wrong: the messages are the committed ones", () => {
  const messages = Object.entries(wrong).map(([name, raw]) => {
    try {
      parseConfig(raw, __dirname);
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      const sorted = [...error.mistakes].sort((a, b) => (a.key < b.key ? -1 : 1));
      return `${name}: ${new ConfigError(sorted).message}\n`;
    }
    return assert.fail(name);
  });
  committed("test/unit/golden/mistakes.txt", messages.join("\n"));
});
