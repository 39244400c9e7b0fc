import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, utils, type Connection, type ServerChannel } from "ssh2";

/** An SSH key pair in OpenSSH's formats. */
export interface KeyPair {
  private: string;
  public: string;
}

/** Makes a key pair as an operator would. */
export function makeKey(type: "ed25519" | "rsa" = "ed25519", passphrase = ""): KeyPair {
  const folder = mkdtempSync(join(tmpdir(), "monoclaw-key-"));
  try {
    const file = join(folder, "key");
    execFileSync("ssh-keygen", ["-q", "-t", type, "-N", passphrase, "-C", "test", "-f", file]);
    return { private: readFileSync(file, "utf8"), public: readFileSync(`${file}.pub`, "utf8").trim() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the server was asked to run. */
export interface Request {
  command: string;
  stdin: Buffer;
  environment: Record<string, string>;
  user: string;
}

/** How the server answers a command. */
export type Answer = (request: Request, channel: ServerChannel) => void;

/** An SSH server in this process, that says yes to one key and runs nothing. */
export class SshServer {
  /** Everything that was asked of it. */
  readonly requests: Request[] = [];
  /** TCP connections made to it. */
  connections = 0;
  /** Connections open now. */
  open = 0;
  /** Environment variables that it takes. */
  accepted: string[] = [];
  answer: Answer = (_request, channel) => {
    channel.exit(0);
    channel.end();
  };

  private constructor(
    private readonly server: Server,
    readonly hostKey: string,
    readonly user: KeyPair,
  ) {}

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  static async start(user = makeKey(), host = makeKey()): Promise<SshServer> {
    const server = new Server({ hostKeys: [host.private] });
    const ssh = new SshServer(server, host.public, user);
    server.on("connection", (connection) => {
      ssh.serve(connection);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return ssh;
  }

  /** Inputs of a connection to it. */
  connection(): Record<string, string | number> {
    return {
      host: "127.0.0.1",
      port: this.port,
      user: "tester",
      privateKey: this.user.private,
      hostKey: this.hostKey,
      dialErrorLimit: 0,
    };
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) =>
      this.server.close(() => {
        resolve();
      }),
    );
  }

  private serve(connection: Connection): void {
    this.connections++;
    this.open++;
    let user = "";
    // As sshd does; else each small packet of the handshake waits 40 ms for the one before it to be acknowledged.
    (connection as Connection & { setNoDelay: (on: boolean) => void }).setNoDelay(true);
    const key = utils.parseKey(this.user.public);
    if (key instanceof Error) throw key;
    connection
      .on("authentication", (context) => {
        user = context.username;
        if (context.method !== "publickey" || !context.key.data.equals(key.getPublicSSH())) {
          context.reject(["publickey"]);
          return;
        }
        const { signature, blob, hashAlgo } = context;
        if (signature === undefined || blob === undefined || key.verify(blob, signature, hashAlgo)) context.accept();
        else context.reject();
      })
      .on("session", (accept) => {
        const session = accept();
        const environment: Record<string, string> = {};
        session
          .on("env", (take, refuse, info) => {
            const name = info.key;
            if (!this.accepted.includes(name)) {
              refuse();
              return;
            }
            environment[name] = (info as unknown as { val: string }).val;
            (take as (() => void) | undefined)?.();
          })
          .on("exec", (take, _refuse, { command }) => {
            const channel = take();
            const input: Buffer[] = [];
            channel.on("data", (chunk: Buffer) => input.push(chunk));
            channel.on("end", () => {
              const request = { command, stdin: Buffer.concat(input), environment, user };
              this.requests.push(request);
              this.answer(request, channel);
            });
          });
      })
      .on("error", () => undefined)
      .on("close", () => {
        this.open--;
      });
  }
}
