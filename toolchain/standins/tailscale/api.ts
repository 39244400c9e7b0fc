import { text, type JsonMap } from "../rpc/values";

/** An answer of Tailscale's API that is an error. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(`${message} (${String(status)})`);
  }
}

/** How the API is called, and as whom: with an API key, or as an OAuth client. */
export interface ApiOptions {
  /** Base address, such as `https://api.tailscale.com`. */
  baseUrl: string;
  /** Name of the tailnet; `-` is that of the credentials. */
  tailnet: string;
  credentials: { apiKey: string } | { clientId: string; clientSecret: string; scopes: string[] };
}

/** A body in the API's own format for policies. */
export interface HuJson {
  hujson: string;
}

/** A client of Tailscale's API, as far as the stand-in needs one. */
export class Api {
  private token: Promise<string> | undefined;

  constructor(private readonly options: ApiOptions) {}

  /** Calls an endpoint of the tailnet. @returns the body as text @throws ApiError with the API's message */
  async call(
    method: string,
    path: string,
    body?: JsonMap | HuJson,
    headers: Record<string, string> = {},
  ): Promise<string> {
    const isHuJson = body !== undefined && typeof body["hujson"] === "string";
    const type = isHuJson || headers["accept"] !== undefined ? "application/hujson" : "application/json";
    const content = isHuJson ? text(body["hujson"]) : JSON.stringify(body);
    const response = await this.send(`tailnet/${this.options.tailnet}/${path}`, {
      method,
      headers: {
        accept: type,
        ...headers,
        authorization: await this.authorization(),
        ...(body && { "content-type": type }),
      },
      ...(body && { body: content }),
    });
    return response;
  }

  /** Like {@link call}, for an answer in JSON. */
  async json(method: string, path: string, body?: JsonMap): Promise<JsonMap> {
    const answer = await this.call(method, path, body);
    return answer === "" ? {} : (JSON.parse(answer) as JsonMap);
  }

  private async authorization(): Promise<string> {
    const { credentials } = this.options;
    if ("apiKey" in credentials) return `Basic ${Buffer.from(`${credentials.apiKey}:`).toString("base64")}`;
    this.token ??= this.fetchToken(credentials);
    return `Bearer ${await this.token}`;
  }

  private async fetchToken(client: { clientId: string; clientSecret: string; scopes: string[] }): Promise<string> {
    const form = { grant_type: "client_credentials", client_id: client.clientId, client_secret: client.clientSecret };
    const body = new URLSearchParams({ ...form, ...(client.scopes.length > 0 && { scope: client.scopes.join(" ") }) });
    const answer = await this.send("oauth/token", { method: "POST", body });
    return text((JSON.parse(answer) as JsonMap)["access_token"]);
  }

  private async send(path: string, request: RequestInit): Promise<string> {
    const url = `${this.options.baseUrl.replace(/\/$/, "")}/api/v2/${path}`;
    let response: Response;
    try {
      response = await fetch(url, request);
    } catch (error) {
      const cause = (error as Error).cause instanceof Error ? ((error as Error).cause as Error) : (error as Error);
      throw new Error(`${request.method ?? "GET"} ${url}: ${cause.message}: is the lab running? (npm run up)`, {
        cause: error,
      });
    }
    const answer = await response.text();
    if (response.ok) return answer;
    throw new ApiError(response.status, problemOf(answer));
  }
}

/** The message of an error, with what failed tests found. */
export function problemOf(answer: string): string {
  try {
    const { message, data } = JSON.parse(answer) as { message?: string; data?: { user: string; errors: string[] }[] };
    const found = (data ?? []).map(({ user, errors }) => `${user}: ${errors.join(", ")}`);
    return [message ?? answer, ...found].join("; ");
  } catch {
    return answer.slice(0, 200);
  }
}

/** True if the API says that there is no such thing. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}
