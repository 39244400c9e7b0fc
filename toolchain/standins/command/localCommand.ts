import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Resource } from "../rpc/resource";
import type { JsonMap } from "../rpc/values";

/** `command.local.Command`: a command on this machine, at create, update and delete; as far as the program uses it. */
export const localCommand: Resource = {
  inputs: {
    create: { type: "string" },
    update: { type: "string" },
    delete: { type: "string" },
    triggers: { type: "list", replace: true },
    stdin: { type: "string" },
    environment: { type: "map", of: { type: "string" } },
    addPreviousOutputInEnv: { type: "boolean" },
    logging: { type: "string", oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] },
    dir: { type: "string", uncovered: true },
    interpreter: { type: "any", uncovered: true },
    archivePaths: { type: "any", uncovered: true },
    assetPaths: { type: "any", uncovered: true },
  },
  outputs: ["stdout", "stderr"],
  async create(inputs, context) {
    const id = context.name + randomBytes(4).toString("hex");
    return { id, outputs: { ...inputs, stdout: "", stderr: "", ...(await perform(inputs["create"], inputs)) } };
  },
  async update(_id, olds, news) {
    const { stdout = "", stderr = "" } = olds;
    return { ...news, stdout, stderr, ...(await perform(news["update"] ?? news["create"], news)) };
  },
  async delete(_id, outputs) {
    await perform(outputs["delete"], outputs);
  },
};

/** Runs it as `/bin/sh -c` in the plugin's own folder, the project's. @throws its exit status and all that it said if it fails */
async function perform(command: unknown, inputs: JsonMap): Promise<JsonMap> {
  if (typeof command !== "string") return {};
  const environment = (inputs["environment"] ?? {}) as Record<string, string>;
  const child = spawn("/bin/sh", ["-c", command], { env: { ...process.env, ...environment } });
  const said = { stdout: "", stderr: "", both: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
      said.both += text;
    });
  }
  child.stdin.on("error", () => undefined).end((inputs["stdin"] as string | undefined) ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (code !== 0) throw new Error(`exit status ${String(code)}: running ${JSON.stringify(command)}:\n${said.both}`);
  return { stdout: said.stdout.replace(/\n$/, ""), stderr: said.stderr.replace(/\n$/, "") };
}
