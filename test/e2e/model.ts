import { readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./attacker";
import type { TestStack } from "./stack";

const port = 4010;

/** OpenClaw's settings for the stand-in of a model (model.py), as a stack declares them. The key is no secret. */
export const modelSettings = {
  models: {
    providers: {
      standin: {
        baseUrl: `http://127.0.0.1:${String(port)}/v1`,
        apiKey: "stand-in",
        api: "openai-completions",
        models: [
          {
            id: "echo",
            name: "Echo",
            reasoning: false,
            input: ["text"],
            cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
            contextWindow: 200_000,
            maxTokens: 4096,
          },
        ],
      },
    },
  },
  agents: { defaults: { model: { primary: "standin/echo" } } },
};

/** Starts the stand-in on the host's loopback, as a user that has nothing else there. */
export async function startModel(stack: TestStack): Promise<void> {
  await stack.root("cat >/usr/local/lib/model.py", readFileSync(join(__dirname, "model.py"), "utf8"));
  await stack.root(
    `systemd-run --quiet --unit=model --property=DynamicUser=yes python3 /usr/local/lib/model.py ${String(port)}`,
  );
  const listeners = `ss -Hltn 'sport = :${String(port)}'`;
  await until("the model listens", 20, async () => (await stack.root(listeners)) !== "");
}

/** What the owner's agent answers, asked by OpenClaw's own command over the running gateway. */
export async function ask(stack: TestStack, message: string): Promise<string> {
  const said = await stack.root(
    `source /usr/local/vps-scripts/gateway.sh
    boxed $openclaw/bin/node $openclaw/bin/openclaw agent --agent main --message "$(cat)" --json`,
    message,
  );
  const { result } = JSON.parse(said) as { result: { payloads: readonly { text: string }[] } };
  return result.payloads.map(({ text }) => text).join("\n");
}
