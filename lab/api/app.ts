import { createHash, timingSafeEqual } from "node:crypto";
import fastify, { FastifyError, FastifyInstance } from "fastify";
import { messageOf } from "../run";
import { locations, serverTypes, showServerType } from "./catalog";
import { Lab } from "./context";
import { ApiError, notEmulated, notFound, unauthorized } from "./errors";
import { firewallRoutes } from "./firewalls";
import { imageRoutes } from "./images";
import { listing, Query, queryValues } from "./listing";
import { primaryIpRoutes } from "./primaryIps";
import { serverActionRoutes } from "./serverActions";
import { serverRoutes } from "./servers";
import { sshKeyRoutes } from "./sshKeys";

const bodyLimit = 1024 * 1024;

/** Kinds of resources that exist there and of which the lab has none: their lists are empty. */
const absentKinds = [
  "certificates",
  "floating_ips",
  "isos",
  "load_balancers",
  "load_balancer_types",
  "networks",
  "placement_groups",
  "volumes",
];

/** Who answers, for the lab's own client. */
export interface Identity {
  readonly instance: string;
  readonly checkout: string;
  /** Changes with the lab's code. */
  readonly version: string;
  readonly pid: number;
}

/** The Hetzner Cloud API of one lab. */
export function buildApi(lab: Lab, token: string, identity: Identity): FastifyInstance {
  const app = fastify({ bodyLimit, forceCloseConnections: true, exposeHeadRoutes: false });
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(`Bearer ${token}`);

  app.addHook("onRequest", (request, _reply, done) => {
    const given = request.headers.authorization ?? "";
    done(timingSafeEqual(digest(given), expected) ? undefined : unauthorized());
  });
  app.addHook("onResponse", (request, _reply, done) => {
    if (request.method !== "GET") {
      lab.store.save();
    }
    done();
  });
  app.setNotFoundHandler((request) => {
    throw new ApiError(404, "not_found", `no such endpoint in the lab: ${request.method} ${request.url}`);
  });
  app.setErrorHandler((error: FastifyError | ApiError, _request, reply) => {
    const answer = error instanceof ApiError ? error : translate(lab, error);
    return reply.code(answer.status).send(answer.body());
  });
  // Clients send some actions without a body but with a JSON content type.
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, body === "" ? undefined : JSON.parse(body.toString()));
    } catch {
      done(new ApiError(400, "json_error", "invalid JSON in the request body"));
    }
  });

  app.get("/lab", () => identity);
  void app.register(
    (v1, _options, done) => {
      catalogRoutes(v1);
      imageRoutes(v1, lab);
      actionRoutes(v1, lab);
      sshKeyRoutes(v1, lab);
      firewallRoutes(v1, lab);
      primaryIpRoutes(v1, lab);
      serverRoutes(v1, lab);
      serverActionRoutes(v1, lab);
      done();
    },
    { prefix: "/v1" },
  );
  return app;
}

function translate(lab: Lab, error: FastifyError): ApiError {
  const status = error.statusCode ?? 500;
  if (status < 500) {
    return new ApiError(status, status === 413 ? "invalid_input" : "json_error", error.message);
  }
  lab.log(`internal error: ${error.stack ?? error.message}`);
  return new ApiError(500, "server_error", `the lab failed: ${messageOf(error)}`);
}

function catalogRoutes(app: FastifyInstance): void {
  app.get<{ Querystring: Query }>("/locations", ({ query }) => listing("locations", locations, query, (item) => item));
  app.get<{ Querystring: Query }>("/server_types", ({ query }) =>
    listing("server_types", serverTypes, query, showServerType),
  );
  const one = <T extends { readonly id: number }>(
    path: string,
    key: string,
    items: readonly T[],
    show: (item: T) => unknown,
  ): void => {
    app.get<{ Params: { id: string } }>(`${path}/:id`, ({ params }) => {
      const item = items.find(({ id }) => String(id) === params.id);
      if (item === undefined) {
        throw notFound(key, params.id);
      }
      return { [key]: show(item) };
    });
  };
  one("/locations", "location", locations, (item) => item);
  one("/server_types", "server_type", serverTypes, showServerType);
  for (const kind of absentKinds) {
    app.get<{ Querystring: Query }>(`/${kind}`, ({ query }) => listing(kind, [], query, (item) => item));
    app.get<{ Params: { id: string } }>(`/${kind}/:id`, ({ params }) => {
      throw notFound(kind.replace(/s$/, ""), params.id);
    });
    app.post(`/${kind}`, () => {
      throw notEmulated(kind);
    });
  }
  app.get("/datacenters", () => {
    throw new ApiError(410, "deprecated_api_endpoint", "datacenters were removed: use locations", {
      announcement: "https://docs.hetzner.cloud/changelog#2026-06-02-datacenters-deprecated",
    });
  });
}

function actionRoutes(app: FastifyInstance, lab: Lab): void {
  const { actions } = lab.store.state;
  const find = (query: Query): typeof actions => {
    const ids = queryValues(query, "id");
    const status = queryValues(query, "status");
    return actions.filter(
      (action) =>
        (ids.length === 0 || ids.includes(String(action.id))) &&
        (status.length === 0 || status.includes(action.status)),
    );
  };
  const byId = (id: string): object => {
    const action = actions.find((candidate) => String(candidate.id) === id);
    if (action === undefined) {
      throw notFound("action", id);
    }
    return { action };
  };
  app.get<{ Querystring: Query }>("/actions", ({ query }) => listing("actions", find(query), query, (item) => item));
  app.get<{ Params: { id: string } }>("/actions/:id", ({ params }) => byId(params.id));
  for (const [path, type] of [
    ["/servers", "server"],
    ["/firewalls", "firewall"],
    ["/primary_ips", "primary_ip"],
    ["/images", "image"],
  ] as const) {
    app.get<{ Querystring: Query }>(`${path}/actions`, ({ query }) => {
      const found = find(query).filter(({ resources }) => resources.some((resource) => resource.type === type));
      return listing("actions", found, query, (item) => item);
    });
    app.get<{ Querystring: Query; Params: { id: string } }>(`${path}/:id/actions`, ({ query, params }) => {
      const concerns = (resource: { id: number; type: string }): boolean =>
        resource.type === type && String(resource.id) === params.id;
      return listing(
        "actions",
        find(query).filter(({ resources }) => resources.some(concerns)),
        query,
        (item) => item,
      );
    });
    app.get<{ Params: { id: string; action: string } }>(`${path}/:id/actions/:action`, ({ params }) =>
      byId(params.action),
    );
    app.get<{ Params: { action: string } }>(`${path}/actions/:action`, ({ params }) => byId(params.action));
  }
}
