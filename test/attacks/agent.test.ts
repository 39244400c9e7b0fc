import assert from "node:assert/strict";
import { ask, modelSettings, startModel } from "../e2e/model";
import type { TestStack } from "../e2e/stack";
import { attacks } from "./attempts";

// Words that reach a model make its agent ask for tools: a stranger's message, a web page, or a model that lies.
const attack = attacks();

/** Tools that OpenClaw has, with arguments that each would take. The last one is harmless: it shows that the agent runs, and calls. */
const tools = {
  exec: { command: "id" },
  process: { action: "list" },
  read: { path: "/etc/passwd" },
  write: { path: "attack", content: "x" },
  edit: { path: "attack", oldText: "x", newText: "y" },
  apply_patch: { input: "*** Begin Patch\n*** Add File: attack\n+x\n*** End Patch" },
  gateway: { action: "config.get" },
  browser: { action: "status" },
  nodes: { action: "status" },
  web_fetch: { url: "http://169.254.169.254/" },
  session_status: {},
};
const harmless = "session_status";

/** What each tool said to the model, by the tool's name. */
let said: Promise<Readonly<Record<string, string>>> | undefined;

async function askForAll(stack: TestStack): Promise<Readonly<Record<string, string>>> {
  await startModel(stack);
  stack.configure({ "monoclaw:openclaw": { settings: modelSettings } });
  const up = await stack.pulumi("up", "--yes", "--skip-preview");
  assert.equal(up.exitCode, 0, up.all);
  const lines = Object.entries(tools).map(([name, options]) => `TOOL ${name} ${JSON.stringify(options)}`);
  const answers = JSON.parse(await ask(stack, lines.join("\n"))) as readonly string[];
  return Object.fromEntries(Object.keys(tools).map((name, at) => [name, answers[at] ?? ""]));
}

const refused = Object.keys(tools).filter((name) => name !== harmless);

attack("has an agent use a tool that acts on the host", "model", refused, async (stack, tool) => {
  const answers = await (said ??= askForAll(stack));
  assert.match(answers[harmless] ?? "", /Model: standin\/echo/);
  assert.match(answers[tool] ?? "", new RegExp(`"error": "Unknown tool id: ${tool}\\.`));
});
