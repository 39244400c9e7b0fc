import { readFileSync } from "node:fs";

/** Where Tailscale's API is, and the credentials for it: the provider's own variables, see `tailscaleCredentials.ts`. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Device {
  readonly id: string;
  readonly name: string;
  readonly tags?: readonly string[];
}

/**
 * Removes a host's device from its tailnet: logging out only leaves an expired one, whose name the next host can't have.
 *
 * @param environment - beside the credentials `MONOCLAW_DEVICE`, its name on the tailnet, and `MONOCLAW_TAG`, which it must have
 * @returns what was done
 * @throws Error with what Tailscale's API said
 */
export async function removeDevice(environment: Environment): Promise<string> {
  const { MONOCLAW_DEVICE: wanted = "", MONOCLAW_TAG: tag = "" } = environment;
  const authorization = await authorize(environment);
  const tailnet = encodeURIComponent(environment["TAILSCALE_TAILNET"] ?? "-");
  const found = (await call(environment, `tailnet/${tailnet}/devices`, { headers: { authorization } })) as {
    devices: readonly Device[];
  };
  const device = found.devices.find(({ name }) => name.replace(/\.$/, "") === wanted);
  if (device === undefined) {
    return `${wanted} is no device of the tailnet any more`;
  }
  if (device.tags?.includes(tag) !== true) {
    return `${wanted} is another device now, without ${tag}: it stays`;
  }
  await call(environment, `device/${encodeURIComponent(device.id)}`, { method: "DELETE", headers: { authorization } });
  return `removed ${wanted} from the tailnet`;
}

async function authorize(environment: Environment): Promise<string> {
  const key = fromFile(environment["TAILSCALE_API_KEY"]);
  if (key !== "") {
    return `Bearer ${key}`;
  }
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: fromFile(environment["TAILSCALE_OAUTH_CLIENT_ID"]),
    client_secret: fromFile(environment["TAILSCALE_OAUTH_CLIENT_SECRET"]),
  });
  const { access_token } = (await call(environment, "oauth/token", { method: "POST", body })) as {
    access_token: string;
  };
  return `Bearer ${access_token}`;
}

/** As the provider reads it: `file:PATH` is the path of a file that holds the value. */
function fromFile(value = ""): string {
  return value.startsWith("file:") ? readFileSync(value.slice("file:".length), "utf8").trim() : value;
}

async function call(environment: Environment, path: string, request: RequestInit): Promise<unknown> {
  const base = (environment["TAILSCALE_BASE_URL"] ?? "https://api.tailscale.com").replace(/\/$/, "");
  const answer = await fetch(`${base}/api/v2/${path}`, { ...request, signal: AbortSignal.timeout(30_000) });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${request.method ?? "GET"} ${path}: ${String(answer.status)} ${text.slice(0, 300)}`);
  }
  return text === "" ? undefined : JSON.parse(text);
}

if (require.main === module) {
  removeDevice(process.env).then(
    (done) => {
      console.log(done);
    },
    (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      console.error(
        `the device ${process.env["MONOCLAW_DEVICE"] ?? ""} could not be removed from its tailnet: ${reason}\n` +
          "Remove it in Tailscale's console, then take this command out of the state: pulumi state delete URN",
      );
      process.exitCode = 1;
    },
  );
}
