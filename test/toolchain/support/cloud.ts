import fastify, { type FastifyInstance } from "fastify";

type Body = Record<string, unknown>;

/** A request that the fake got. */
export interface Call {
  method: string;
  /** Path with its query, without the version. */
  path: string;
  body: Body | undefined;
}

/** Hetzner's answers, canned: remembers what was asked, and answers from a table that a test fills. */
export class Cloud {
  readonly calls: Call[] = [];
  /** Answers by `METHOD path`, without the query; an error has a status. */
  readonly answers = new Map<string, Body | ((body: Body | undefined) => Body)>();

  private constructor(
    private readonly app: FastifyInstance,
    readonly endpoint: string,
  ) {}

  static async start(): Promise<Cloud> {
    const app = fastify();
    const running: { cloud?: Cloud } = {};
    app.all("/v1/*", async (request, reply) => {
      const path = request.url.replace(/^\/v1\//, "");
      const body = request.body as Body | undefined;
      running.cloud?.calls.push({ method: request.method, path, body });
      if (request.headers.authorization !== "Bearer right") return reply.code(401).send(error("unauthorized"));
      const found = running.cloud?.answers.get(`${request.method} ${path.split("?")[0] ?? ""}`);
      const answer = typeof found === "function" ? found(body) : found;
      if (answer === undefined) return reply.code(404).send(error("not_found"));
      return reply.code(answer["error"] === undefined ? 200 : 422).send(answer);
    });
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    running.cloud = new Cloud(app, `${address}/v1`);
    return running.cloud;
  }

  /** What was asked since the last time, as `METHOD path`. */
  asked(): string[] {
    return this.calls.splice(0).map(({ method, path }) => `${method} ${path}`);
  }

  /** The body of the latest request that began like this. */
  body(call: string): Body | undefined {
    return this.calls.filter(({ method, path }) => `${method} ${path}`.startsWith(call)).at(-1)?.body;
  }

  async stop(): Promise<void> {
    await this.app.close();
  }
}

/** An error body. */
export function error(code: string, message = code, fields: { name: string; messages: string[] }[] = []): Body {
  return { error: { code, message, details: { fields } } };
}

/** An action, done unless told otherwise. */
export function action(status: "running" | "success" | "error" = "success", id = 1): Body {
  const failure = status === "error" ? { code: "action_failed", message: "no luck" } : null;
  return { id, command: "do_it", status, progress: status === "success" ? 100 : 40, error: failure };
}

/** A server as the API shows it. */
export function serverBody(more: Body = {}): Body {
  return {
    id: 42,
    name: "web",
    status: "running",
    server_type: { name: "cx23" },
    location: { name: "fsn1" },
    image: { id: 7, name: "debian-13" },
    labels: {},
    backup_window: null,
    primary_disk_size: 40,
    protection: { delete: false, rebuild: false },
    public_net: {
      ipv4: { id: 5, ip: "10.0.0.9" },
      ipv6: { id: 6, ip: "2001:db8::/64" },
      firewalls: [{ id: 3, status: "applied" }],
    },
    ...more,
  };
}
