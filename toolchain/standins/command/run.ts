import { StringDecoder } from "node:string_decoder";
import type { Client, ClientChannel } from "ssh2";
import type { Context } from "../rpc/resource";
import type { Connection } from "./connection";
import { dial } from "./dial";
import { gateEnvironment } from "./environment";

/** What a command leaves. */
export interface Output {
  stdout: string;
  stderr: string;
}

/** Which streams are shown while the command runs. */
export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";

/** One command on one host. */
export interface Job {
  command: string;
  connection: Connection;
  stdin: string | undefined;
  logging: Logging | undefined;
  /** Must be taken by the host. */
  environment: Record<string, string>;
  /** May be refused by the host, with a warning. */
  optionalEnvironment: Record<string, string>;
}

/** Runs a command over SSH. @throws the exit status, the command and all its output if it fails */
export async function run(job: Job, context: Context): Promise<Output> {
  const client = await dial(job.connection, context.log, context.signal);
  try {
    return await execute(client, job, context);
  } finally {
    client.end();
  }
}

async function execute(client: Client, job: Job, context: Context): Promise<Output> {
  const env = { ...job.optionalEnvironment, ...job.environment };
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.on("error", reject).on("close", () => {
      reject(new Error("ssh: the connection was closed before the command started"));
    });
    gateEnvironment(client, (refused) => {
      const blocking = refused.find((name) => name in job.environment);
      for (const name of refused) context.log[name in job.environment ? "error" : "warn"](acceptEnv(name));
      if (blocking !== undefined)
        reject(new Error(`could not set environment variable "${blocking}": ssh: setenv failed`));
      return blocking === undefined;
    });
    client.exec(job.command, { env }, (error, opened) => {
      if (error === undefined) resolve(opened);
      else reject(error);
    });
  });
  return finish(channel, job, context);
}

function acceptEnv(name: string): string {
  return (
    `Unable to set '${name}'. This only works if your SSH server is configured to accept these variables via AcceptEnv. ` +
    "Alternatively, if a Bash-like shell runs the command on the remote host, you could prefix the command itself with the " +
    "variables in the form 'VAR=value command'"
  );
}

async function finish(channel: ClientChannel, job: Job, context: Context): Promise<Output> {
  const [out, err, both]: [Buffer[], Buffer[], Buffer[]] = [[], [], []];
  const lines = new LineLog((line) => {
    context.log.status(line);
  });
  const collect = (into: Buffer[], logged: boolean) => (chunk: Buffer) => {
    into.push(chunk);
    both.push(chunk);
    if (logged) lines.write(chunk);
  };
  const { logging = "stdoutAndStderr" } = job;
  channel.on("data", collect(out, logging === "stdout" || logging === "stdoutAndStderr"));
  channel.stderr.on("data", collect(err, logging === "stderr" || logging === "stdoutAndStderr"));
  // A command may end without reading all of its input: that is its own business.
  channel.stdin.on("error", () => undefined);
  const outcome = await new Promise<string | undefined>((resolve) => {
    let status: string | undefined = "wait: remote command exited without exit status or exit signal";
    channel.on("exit", (code: number | null, signal?: string, _dump?: unknown, reason?: string) => {
      status = code === 0 ? undefined : describe(code, signal, reason);
    });
    channel.on("close", () => {
      resolve(status);
    });
    channel.end(job.stdin ?? "");
  });
  lines.end();
  if (outcome !== undefined) throw new Error(`${outcome}: running ${quote(job.command)}:\n${text(both)}`);
  return { stdout: text(out).replace(/\n$/, ""), stderr: text(err).replace(/\n$/, "") };
}

/** The words of Go's SSH library, which the official plugin passes on. */
function describe(code: number | null, signal: string | undefined, reason: string | undefined): string {
  if (code !== null) return `Process exited with status ${String(code)}`;
  const name = (signal ?? "").replace(/^SIG/, "");
  const numbers: Record<string, number> = {
    HUP: 1,
    INT: 2,
    QUIT: 3,
    ABRT: 6,
    KILL: 9,
    SEGV: 11,
    PIPE: 13,
    ALRM: 14,
    TERM: 15,
  };
  const status = `Process exited with status ${String(128 + (numbers[name] ?? 0))} from signal ${name}`;
  return reason === undefined || reason === "" ? status : `${status}. Reason was: ${reason}`;
}

/** Quotes like Go's %q. */
function quote(command: string): string {
  return JSON.stringify(command).replace(/\\u00([0-9a-f]{2})/g, "\\x$1");
}

function text(chunks: Buffer[]): string {
  return Buffer.concat(chunks).toString("utf8");
}

/** Cuts a stream of bytes into lines. */
class LineLog {
  private readonly decoder = new StringDecoder("utf8");
  private rest = "";

  constructor(private readonly emit: (line: string) => void) {}

  write(chunk: Buffer): void {
    const lines = (this.rest + this.decoder.write(chunk)).split(/\r?\n/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.emit(line);
  }

  end(): void {
    const last = this.rest + this.decoder.end();
    if (last !== "") this.emit(last);
  }
}
