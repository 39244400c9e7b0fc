import { join } from "node:path";
import { Instance } from "../instances";
import { tailnetDir } from "./config";
import { Control } from "./control";
import { Judge, Judged, judgeOf } from "./policy";
import { TailnetStore } from "./store";

/** A user as headscale has it. */
export interface User {
  readonly id: string;
  readonly name: string;
}

/** A device as headscale has it; times are RFC 3339. */
export interface Node {
  readonly id: string;
  readonly machineKey: string;
  readonly nodeKey: string;
  readonly ipAddresses: readonly string[];
  /** What the device calls itself. */
  readonly name: string;
  /** Its MagicDNS name, without the tailnet's. */
  readonly givenName: string;
  readonly user?: User;
  readonly lastSeen: string | null;
  readonly expiry: string | null;
  readonly createdAt: string;
  readonly online: boolean;
  readonly tags: readonly string[];
  readonly preAuthKey?: { readonly ephemeral: boolean } | null;
}

/** An auth key as headscale has it. */
export interface PreAuthKey {
  readonly id: string;
  readonly key: string;
  readonly used: boolean;
  readonly reusable: boolean;
}

/** What Tailscale's API does in a lab; a unit test puts another one in its place. */
export interface Backend {
  /** Calls headscale. */
  call<T>(method: string, path: string, body?: object): Promise<T>;
  /** Makes the control server run as the store says. */
  ensure(): Promise<void>;
  /** Ends the control server and the relay. */
  stop(): Promise<void>;
  readonly judge: Judge;
}

/** The tailnet of one lab. */
export class Tailnet {
  constructor(
    readonly instance: Instance,
    readonly store: TailnetStore,
    readonly backend: Backend,
  ) {}

  /** The policy in force. */
  judged(): Promise<Judged> {
    return this.backend.judge(this.store.state.policy);
  }

  /** Puts a policy in force; users whom it names are in the tailnet from then on. */
  async setPolicy(policy: string): Promise<void> {
    const { served, users } = await this.backend.judge(policy);
    await Promise.all(users.map((user) => this.user(user)));
    await this.backend.call("PUT", "policy", { policy: served });
    this.store.state.policy = policy;
    this.store.save();
  }

  /** headscale's user for a login name, made if there is none yet. */
  async user(login: string): Promise<User> {
    const { users } = await this.backend.call<{ users: User[] }>("GET", "user");
    const found = users.find(({ name }) => name === login);
    if (found !== undefined) {
      return found;
    }
    const { user } = await this.backend.call<{ user: User }>("POST", "user", { name: login, email: login });
    return user;
  }
}

/** The real tailnet of a lab. */
export function tailnetOf(instance: Instance, log: (line: string) => void): Tailnet {
  const store = new TailnetStore(join(tailnetDir(instance), "state.json"));
  const control = new Control(instance, () => store.state.magicDns, log);
  return new Tailnet(instance, store, {
    call: (method, path, body) => control.call(method, path, body),
    ensure: () => control.ensure(),
    stop: () => control.stop(),
    judge: judgeOf(instance),
  });
}
