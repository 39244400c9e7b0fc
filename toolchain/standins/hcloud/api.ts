import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../rpc/resource";
import type { Json, JsonMap } from "../rpc/values";

/** An error body of the Hetzner Cloud API. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** True if the API says that there is no such resource. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === "not_found";
}

interface ErrorBody {
  error?: { code?: string; message?: string; details?: { fields?: { name: string; messages?: string[] }[] } | null };
}

/** A long-running change at Hetzner. */
export interface Action {
  id: number;
  command: string;
  status: "running" | "success" | "error";
  progress: number;
  error?: { code: string; message: string } | null;
}

// Answers after which hcloud-go, the official plugin's client, tries again.
const RETRIED = new Set(["conflict", "rate_limit_exceeded", "bad_gateway", "timeout"]);
const RETRIES = 5;

/** How an API client is set up. */
export interface ApiOptions {
  /** Base address, such as `http://127.0.0.1:8480/v1`. */
  endpoint: string;
  token: string;
  /** Wait before each look at a running action, in milliseconds. */
  pollInterval: (poll: number) => number;
}

/** A client of the Hetzner Cloud API, as far as the stand-in needs one. */
export class Api {
  constructor(private readonly options: ApiOptions) {}

  /** Calls the API and resolves with the body. @throws ApiError with the API's own message, code and fields */
  async call(method: string, path: string, body?: JsonMap): Promise<JsonMap> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.callOnce(method, path, body);
      } catch (error) {
        if (!(error instanceof ApiError) || !RETRIED.has(error.code) || attempt >= RETRIES) throw error;
        await sleep(1000 * 2 ** attempt);
      }
    }
  }

  private async callOnce(method: string, path: string, body?: JsonMap): Promise<JsonMap> {
    const url = `${this.options.endpoint.replace(/\/$/, "")}/${path}`;
    const headers: Record<string, string> = { authorization: `Bearer ${this.options.token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    } catch (error) {
      const cause = (error as Error).cause instanceof Error ? ((error as Error).cause as Error) : (error as Error);
      throw new Error(`${method} ${url}: ${cause.message}: is the lab running? (npm run up)`, { cause: error });
    }
    const text = await response.text();
    if (response.ok) return text === "" ? {} : (JSON.parse(text) as JsonMap);
    throw describe(response.status, text);
  }

  /** Waits until actions are done, and shows how far they are. @throws if one of them failed */
  async wait(actions: (Action | null | undefined)[], context: Context): Promise<void> {
    let running = actions.filter((action) => action !== null && action !== undefined);
    for (let poll = 0; ; poll++) {
      for (const action of running) {
        if (action.status !== "error") continue;
        const { code = "unknown", message = "no reason given" } = action.error ?? {};
        throw new Error(`action ${action.command} failed: ${message} (${code}, ${String(action.id)})`);
      }
      running = running.filter(({ status }) => status === "running");
      if (running.length === 0) return;
      context.log.status(running.map(({ command, progress }) => `${command} ${String(progress)} %`).join(", "));
      await sleep(this.options.pollInterval(poll), undefined, { signal: context.signal });
      const ids = running.map(({ id }) => `id=${String(id)}`).join("&");
      const { actions: polled } = await this.call("GET", `actions?${ids}&sort=status&sort=id`);
      running = polled as unknown as Action[];
    }
  }

  /** Calls the API for a change, and waits until it is done. */
  async act(method: string, path: string, body: JsonMap | undefined, context: Context): Promise<JsonMap> {
    const answer = await this.call(method, path, body);
    const several = [...asList(answer["actions"]), ...asList(answer["next_actions"])];
    await this.wait([answer["action"], ...several] as unknown as Action[], context);
    return answer;
  }

  /** Finds a resource by its id or name. @returns undefined if there is none */
  async find(collection: string, singular: string, idOrName: string, query = ""): Promise<JsonMap | undefined> {
    if (/^\d+$/.test(idOrName)) {
      const found = await this.get(collection, singular, idOrName);
      if (found !== undefined) return found;
    }
    const list = await this.call("GET", `${collection}?${query}name=${encodeURIComponent(idOrName)}`);
    return asList(list[collection])[0] as JsonMap | undefined;
  }

  /** Reads a resource. @returns undefined if there is none */
  async get(collection: string, singular: string, id: string): Promise<JsonMap | undefined> {
    try {
      return (await this.call("GET", `${collection}/${id}`))[singular] as JsonMap;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

/** The list, or an empty one. */
export function asList(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

function describe(status: number, text: string): ApiError {
  let body: ErrorBody = {};
  try {
    body = JSON.parse(text) as ErrorBody;
  } catch {
    // A proxy's page, or nothing: the status must do.
  }
  const { code, message, details } = body.error ?? {};
  if (code === undefined)
    return new ApiError("unknown", `the API answered with status ${String(status)}: ${text.slice(0, 200)}`);
  const fields = (details?.fields ?? []).map(({ name, messages }) => `${name} => [${(messages ?? []).join(" ")}]`);
  const suffix = fields.length > 0 ? `: [${fields.join(" ")}]` : "";
  return new ApiError(code, `${message ?? ""} (${code})${suffix}`);
}
