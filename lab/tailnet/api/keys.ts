import { TailnetError } from "../errors";
import { AuthKey } from "../store";
import { PreAuthKey, Tailnet } from "../tailnet";
import { Actor } from "../access";
import { jsonOf, Route } from "./app";

const maxExpirySeconds = 90 * 24 * 60 * 60;
const maxDescription = 50;

/** What a client asks of a new key. */
interface KeyRequest {
  readonly keyType?: string;
  readonly description?: string;
  readonly expirySeconds?: number;
  readonly capabilities?: {
    readonly devices?: {
      readonly create?: {
        readonly reusable?: boolean;
        readonly ephemeral?: boolean;
        readonly preauthorized?: boolean;
        readonly tags?: readonly string[] | null;
      };
    };
  };
}

/** `/keys`: auth keys, each a real key of headscale. */
export function keyRoutes(route: Route, tailnet: Tailnet): void {
  const { state } = tailnet.store;
  const find = (id: string): AuthKey => {
    const key = state.keys.find((candidate) => candidate.id === id);
    if (key === undefined) {
      throw new TailnetError(404, "key not found");
    }
    return key;
  };
  const isUsed = async (key: AuthKey): Promise<boolean> => {
    const { preAuthKeys } = await tailnet.backend.call<{ preAuthKeys: PreAuthKey[] }>("GET", "preauthkey");
    return preAuthKeys.find(({ id }) => id === numberOf(key))?.used === true;
  };
  const show = async (key: AuthKey): Promise<object> => {
    const isInvalid = Date.parse(key.expires) <= Date.now() || (!key.reusable && (await isUsed(key)));
    return describe(key, isInvalid);
  };

  route("GET", "/tailnet/:tailnet/keys", "auth_keys", async () => ({ keys: await Promise.all(state.keys.map(show)) }));

  route("GET", "/tailnet/:tailnet/keys/:id", "auth_keys", ({ id }) => show(find(id)));

  route("POST", "/tailnet/:tailnet/keys", "auth_keys", async ({ body, actor }) => {
    const wanted = await read(tailnet, jsonOf(body), actor);
    const { expires, reusable, ephemeral, tags } = wanted;
    const owner = tags.length > 0 ? {} : { user: (await tailnet.user(wanted.userId)).id };
    const { preAuthKey } = await tailnet.backend.call<{ preAuthKey: PreAuthKey }>("POST", "preauthkey", {
      ...owner,
      reusable,
      ephemeral,
      expiration: expires,
      acl_tags: tags,
    });
    const key: AuthKey = { id: `k${preAuthKey.id}`, ...wanted };
    state.keys.push(key);
    tailnet.store.save();
    return { ...describe(key, false), key: preAuthKey.key };
  });

  route("DELETE", "/tailnet/:tailnet/keys/:id", "auth_keys", async ({ id }) => {
    const key = find(id);
    // headscale keeps a key as long as a device that joined with it.
    await tailnet.backend.call("POST", "preauthkey/expire", { id: numberOf(key) });
    state.keys.splice(state.keys.indexOf(key), 1);
    tailnet.store.save();
    return undefined;
  });
}

function numberOf({ id }: AuthKey): string {
  return id.slice(1);
}

async function read(tailnet: Tailnet, request: KeyRequest, actor: Actor): Promise<Omit<AuthKey, "id">> {
  const { description = "", keyType = "auth" } = request;
  const {
    reusable = false,
    ephemeral = false,
    preauthorized = false,
    tags,
  } = request.capabilities?.devices?.create ?? {};
  if (keyType !== "auth") {
    throw new TailnetError(400, `the lab does not emulate keys of type ${keyType}`);
  }
  if (description.length > maxDescription || !/^[A-Za-z0-9 _-]*$/.test(description)) {
    throw new TailnetError(
      400,
      `key description must be at most ${String(maxDescription)} letters, digits, spaces, - and _`,
    );
  }
  const expirySeconds = (request.expirySeconds ?? 0) === 0 ? maxExpirySeconds : (request.expirySeconds ?? 0);
  if (!Number.isInteger(expirySeconds) || expirySeconds < 1 || expirySeconds > maxExpirySeconds) {
    throw new TailnetError(400, `expirySeconds must be between 1 and ${String(maxExpirySeconds)}`);
  }
  await checkTags(tailnet, tags ?? []);
  if (actor.user === undefined && (tags ?? []).length === 0) {
    throw new TailnetError(400, "tailnet-owned auth key must have tags set");
  }
  const now = Date.now();
  return {
    description,
    expirySeconds,
    reusable,
    ephemeral,
    preauthorized,
    tags: tags ?? [],
    userId: actor.user ?? "",
    created: timeOf(now),
    expires: timeOf(now + expirySeconds * 1000),
  };
}

/** @throws TailnetError unless the policy defines these tags */
export async function checkTags(tailnet: Tailnet, tags: readonly string[]): Promise<void> {
  const known = tags.length === 0 ? [] : (await tailnet.judged()).tags;
  if (!tags.every((tag) => known.includes(tag))) {
    throw new TailnetError(400, `requested tags [${tags.join(" ")}] are invalid or not permitted`);
  }
}

function timeOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

function describe(key: AuthKey, invalid: boolean): object {
  const { id, description, expirySeconds, created, expires, userId, reusable, ephemeral, preauthorized, tags } = key;
  return {
    id,
    keyType: "auth",
    description,
    expirySeconds,
    created,
    updated: created,
    expires,
    invalid,
    ...(userId === "" ? {} : { userId }),
    capabilities: { devices: { create: { reusable, ephemeral, preauthorized, tags } } },
  };
}
