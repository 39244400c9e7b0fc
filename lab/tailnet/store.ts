import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** One auth key that the API gave out; the key itself is headscale's to know. */
export interface AuthKey {
  /** `k` and headscale's own number. */
  readonly id: string;
  readonly description: string;
  readonly expirySeconds: number;
  readonly created: string;
  readonly expires: string;
  readonly reusable: boolean;
  readonly ephemeral: boolean;
  readonly preauthorized: boolean;
  readonly tags: readonly string[];
  /** Who made it; empty for an OAuth client. */
  readonly userId: string;
}

/** What the tailnet of a lab remembers beside headscale's own database. */
export interface TailnetState {
  /** The policy as it was posted, HuJSON. */
  policy: string;
  magicDns: boolean;
  keys: AuthKey[];
}

/** The policy of a new tailnet. */
export const defaultPolicy = `// The policy of a new tailnet: everybody may reach everything.
{
  "grants": [
    {"src": ["*"], "dst": ["*"], "ip": ["*"]},
  ],
}
`;

/** The tailnet's memory, in one file that only root reads. */
export class TailnetStore {
  readonly state: TailnetState;

  /** @param path - file to keep it in; without one it lives in memory only (unit tests) */
  constructor(private readonly path?: string) {
    this.state = this.read();
  }

  /** Takes what is in the file now, which somebody else has changed, into the object that everybody holds already. */
  reload(): void {
    Object.assign(this.state, this.read());
  }

  private read(): TailnetState {
    return this.exists()
      ? (JSON.parse(readFileSync(this.path ?? "", "utf8")) as TailnetState)
      : { policy: defaultPolicy, magicDns: true, keys: [] };
  }

  /** True once anything was saved: the tailnet has been used. */
  exists(): boolean {
    return this.path !== undefined && existsSync(this.path);
  }

  save(): void {
    if (this.path === undefined) {
      return;
    }
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    writeFileSync(`${this.path}.new`, `${JSON.stringify(this.state, undefined, 1)}\n`, { mode: 0o600 });
    renameSync(`${this.path}.new`, this.path);
  }
}
