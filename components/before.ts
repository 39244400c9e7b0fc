import * as pulumi from "@pulumi/pulumi";
import type { Intended } from "../lib/envelope";

/** A remote command as the last run of the engine left it. */
export interface EarlierCommand {
  readonly create: string;
  readonly stdin: string;
  readonly stdout: string;
}

/** What the last run of the engine left of the stack, by the resources' names: nothing in a new stack. */
export interface Before {
  readonly commands: ReadonlyMap<string, EarlierCommand>;
  readonly layers: ReadonlyMap<string, Intended>;
}

/** The types of a command and of the components around it, the nearest of which is a part of a `Host`. */
const ownCommand = /(?:^|\$)monoclaw:index:\w+\$command:remote:Command$/;

const read = "pulumi:pulumi:readStackResourceOutputs";

/** What that function answers: resources by URN. */
type Resources = Readonly<
  Record<string, { readonly type: string; readonly outputs: Readonly<Record<string, unknown>> }>
>;

/** @throws pulumi.RunError if the engine can't read the stack: the text says why, and what mends it */
async function resourcesOf(stackName: string): Promise<Resources> {
  try {
    const { outputs } = (await pulumi.runtime.invoke(read, { stackName })) as { readonly outputs: Resources };
    return outputs;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    // In the layout of older versions a stack has no project, and no name of three parts.
    const reason = said.includes("invalid character '/'")
      ? "the state backend has Pulumi's old layout; run: pulumi state upgrade"
      : said;
    throw new pulumi.RunError(`the stack's own state can't be read: ${reason}`);
  }
}

/**
 * Reads the stack's own state, before anything is declared: what was sent to a host, and whether the host really answered it,
 * decides whether it is sent again. A preview sees the same state, so it shows the same.
 * Secrets come in clear, so of all commands only those of a `Host` are taken: the rest of a program may have some, too.
 *
 * The engine offers this to every program, as one of its built-in functions; the SDK has no name for it.
 */
export async function readBefore(): Promise<Before> {
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const commands = new Map<string, EarlierCommand>();
  const layers = new Map<string, Intended>();
  for (const [urn, { type, outputs }] of Object.entries(await resourcesOf(stackName))) {
    const name = urn.slice(urn.lastIndexOf("::") + 2);
    const [, , types = ""] = urn.split("::");
    if (ownCommand.test(types)) {
      const { create, stdin, stdout } = outputs;
      commands.set(name, { create: text(create), stdin: text(stdin), stdout: text(stdout) });
    } else if (type === "monoclaw:index:Layer") {
      layers.set(name, { digest: text(outputs["digest"]), serial: Number(outputs["serial"] ?? 0) });
    }
  }
  return { commands, layers };
}
