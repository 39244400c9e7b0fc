import fastify, { FastifyError, FastifyInstance, FastifyRequest } from "fastify";
import { messageOf } from "../../run";
import { Actor, actorOf, requireScope, Scope, tokenFor } from "../access";
import { tailnetDomain } from "../config";
import { TailnetError } from "../errors";
import { Tailnet } from "../tailnet";
import { deviceRoutes } from "./devices";
import { keyRoutes } from "./keys";
import { policyRoutes } from "./policy";
import { settingsRoutes } from "./settings";

const bodyLimit = 1024 * 1024;

/** One call: its body as text, and what its path names. */
export interface Call {
  readonly actor: Actor;
  readonly body: string;
  readonly headers: FastifyRequest["headers"];
  readonly query: Readonly<Record<string, string | string[]>>;
  /** The last part of the path that is a parameter. */
  readonly id: string;
}

/** An answer with more to it than a body. */
export interface Answer {
  readonly body: object | string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Adds an endpoint below `/api/v2`; `undefined` is answered as an empty body. */
export type Route = (
  method: "GET" | "POST" | "DELETE",
  path: string,
  scope: Scope,
  work: (call: Call) => Promise<object | Answer | undefined>,
) => void;

/** Tailscale's API (version 2) of one lab, as far as its provider and its Go client need it to run a tailnet. */
export function buildTailnetApi(tailnet: Tailnet, log: (line: string) => void): FastifyInstance {
  const app = fastify({ bodyLimit, forceCloseConnections: true, exposeHeadRoutes: false });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => {
    done(null, body);
  });
  app.setNotFoundHandler((request) => {
    throw new TailnetError(404, `not found: the lab does not emulate ${request.method} ${request.url}`);
  });
  app.setErrorHandler((error: FastifyError | TailnetError, _request, reply) => {
    const known = error instanceof TailnetError;
    if (!known) {
      log(`tailnet API: ${error.stack ?? error.message}`);
    }
    const answer = known ? error : new TailnetError(error.statusCode ?? 500, `the lab failed: ${messageOf(error)}`);
    return reply.code(answer.status).send(answer.body());
  });
  app.post("/api/v2/oauth/token", (request) => tokenFor(request));

  const route: Route = (method, path, scope, work) => {
    app.route<{ Params: { tailnet?: string; id?: string }; Querystring: Call["query"] }>({
      method,
      url: `/api/v2${path}`,
      handler: async (request, reply) => {
        const { params, body, headers, query } = request;
        const actor = actorOf(request);
        if (params.tailnet !== undefined && !["-", tailnetDomain(tailnet.instance)].includes(params.tailnet)) {
          throw new TailnetError(404, "tailnet not found");
        }
        requireScope(actor, scope, method === "GET" || path.endsWith("/validate"));
        const text = typeof body === "string" ? body : "";
        const answer = await work({ actor, body: text, headers, query, id: params.id ?? "" });
        if (answer !== undefined && "headers" in answer) {
          return reply.headers(answer.headers).send(answer.body);
        }
        return reply.send(answer ?? "");
      },
    });
  };
  policyRoutes(route, tailnet);
  keyRoutes(route, tailnet);
  deviceRoutes(route, tailnet);
  settingsRoutes(route, tailnet);
  return app;
}

/** Reads a JSON body. @throws TailnetError 400 */
export function jsonOf(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // not JSON: the error below says it
  }
  throw new TailnetError(400, "invalid request body: expected a JSON object");
}
