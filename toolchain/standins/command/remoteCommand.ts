import { randomBytes } from "node:crypto";
import type { Context, Resource } from "../rpc/resource";
import type { JsonMap } from "../rpc/values";
import { connectionFields, connectionOf } from "./connection";
import { run, type Logging, type Output } from "./run";

/** `command.remote.Command`: a command on another host, over SSH, at create, update and delete. */
export const remoteCommand: Resource = {
  inputs: {
    connection: { type: "object", fields: connectionFields, required: true, secret: true },
    create: { type: "string" },
    update: { type: "string" },
    delete: { type: "string" },
    triggers: { type: "list", replace: true },
    stdin: { type: "string" },
    logging: { type: "string", oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] },
    environment: { type: "map", of: { type: "string" } },
    addPreviousOutputInEnv: { type: "boolean" },
  },
  outputs: ["stdout", "stderr"],
  async create(inputs, context) {
    const id = context.name + randomBytes(4).toString("hex");
    const output = await perform(inputs["create"], inputs, {}, context);
    return { id, outputs: { ...inputs, stdout: "", stderr: "", ...output } };
  },
  async update(_id, olds, news, context) {
    const previous = outputOf(olds);
    const output = await perform(news["update"] ?? news["create"], news, previous, context);
    return { ...news, stdout: "", stderr: "", ...previous, ...output };
  },
  async delete(_id, outputs, context) {
    await perform(outputs["delete"], outputs, outputOf(outputs), context);
  },
};

async function perform(
  command: unknown,
  inputs: JsonMap,
  previous: Partial<Output>,
  context: Context,
): Promise<Output | undefined> {
  if (typeof command !== "string") return undefined;
  const optional: Record<string, string> = {};
  if (inputs["addPreviousOutputInEnv"] !== false) {
    if (previous.stdout) optional["PULUMI_COMMAND_STDOUT"] = previous.stdout;
    if (previous.stderr) optional["PULUMI_COMMAND_STDERR"] = previous.stderr;
  }
  return run(
    {
      command,
      connection: connectionOf(inputs),
      stdin: inputs["stdin"] as string | undefined,
      logging: inputs["logging"] as Logging | undefined,
      environment: (inputs["environment"] ?? {}) as Record<string, string>,
      optionalEnvironment: optional,
    },
    context,
  );
}

function outputOf(state: JsonMap): Partial<Output> {
  const { stdout, stderr } = state;
  return { ...(typeof stdout === "string" && { stdout }), ...(typeof stderr === "string" && { stderr }) };
}
