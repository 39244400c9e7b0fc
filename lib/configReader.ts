import { isIP } from "node:net";

/** One mistake in the configuration. */
export interface Mistake {
  /** Where: `sshPort`, `server.type`, `hosts.home.limits.memoryMax` … */
  readonly key: string;
  /** What stands there now. */
  readonly value: unknown;
  /** What is wrong with it. */
  readonly reason: string;
  /** A command that mends it. */
  readonly fix: string;
}

/** All mistakes of a configuration at once. */
export class ConfigError extends Error {
  constructor(readonly mistakes: readonly Mistake[]) {
    const count = mistakes.length === 1 ? "1 mistake" : `${String(mistakes.length)} mistakes`;
    const lines = mistakes.map(({ key, value, reason, fix }) => {
      const now = value === undefined ? "is not set" : `= ${JSON.stringify(value)}`;
      return `  monoclaw:${key} ${now}: ${reason}\n      ${fix}`;
    });
    super([`${count} in the configuration; nothing was changed.`, ...lines].join("\n"));
    this.name = "ConfigError";
  }
}

/** Reads values and collects the mistakes. A wrong value is replaced by the default so that reading can go on. */
export class ConfigReader {
  private readonly mistakes: Mistake[] = [];

  constructor(
    /** Folder that relative paths start from. */
    readonly root: string,
    /** Top-level keys that the configuration file holds encrypted. */
    private readonly secretKeys: ReadonlySet<string>,
  ) {}

  /** False for what no terminal or log should show. */
  private isSafe(key: string, value: unknown): boolean {
    const isText = typeof value === "string" || typeof value === "object";
    return !(isText && value !== null && (this.isSecret(key) || JSON.stringify(value).includes("PRIVATE KEY")));
  }

  /** True if the value of a key, at whatever depth, is encrypted in the configuration file. */
  isSecret(key: string): boolean {
    return this.secretKeys.has(key.replace(/[.[].*$/, ""));
  }

  /** Notes a mistake. */
  wrong(key: string, value: unknown, reason: string, fix: string): void {
    // A value that several hosts share is one mistake, not one a host.
    if (!this.mistakes.some((mistake) => mistake.key === key && mistake.reason === reason)) {
      this.mistakes.push({ key, value: this.isSafe(key, value) ? value : "…", reason, fix });
    }
  }

  /** @throws ConfigError if there was any mistake */
  finish(): void {
    if (this.mistakes.length > 0) {
      throw new ConfigError(this.mistakes);
    }
  }

  /** Keys that nobody reads are mistakes: usually a misspelt one. */
  onlyKeys(prefix: string, value: Readonly<Record<string, unknown>>, known: readonly string[]): void {
    for (const key of Object.keys(value).filter((candidate) => !known.includes(candidate))) {
      const reason = `there is no such key; known are ${known.join(", ")}`;
      this.wrong(`${prefix}${key}`, value[key], reason, `pulumi config rm --path ${pathOf(`${prefix}${key}`)}`);
    }
  }

  /** A map of keys to values; anything else but nothing at all is a mistake. */
  record(key: string, value: unknown): Readonly<Record<string, unknown>> {
    if (value === undefined || value === null) {
      return {};
    }
    if (typeof value !== "object" || Array.isArray(value)) {
      this.wrong(key, value, "must be a map of keys to values", `pulumi config rm --path ${pathOf(key)}`);
      return {};
    }
    return value as Readonly<Record<string, unknown>>;
  }

  integer(key: string, value: unknown, fallback: number, range: { min: number; max: number }): number {
    if (value === undefined) {
      return fallback;
    }
    if (typeof value !== "number" || !Number.isInteger(value) || value < range.min || value > range.max) {
      const reason = `must be an integer from ${String(range.min)} to ${String(range.max)}`;
      this.wrong(key, value, reason, setFix(key, String(fallback)));
      return fallback;
    }
    return value;
  }

  text(key: string, value: unknown, fallback: string, pattern: RegExp, what: string): string {
    if (value === undefined) {
      return fallback;
    }
    if (typeof value !== "string" || !pattern.test(value)) {
      this.wrong(key, value, `must be ${what}`, setFix(key, fallback));
      return fallback;
    }
    return value;
  }

  boolean(key: string, value: unknown, fallback: boolean): boolean {
    if (value !== undefined && typeof value !== "boolean") {
      this.wrong(key, value, "must be true or false", setFix(key, String(fallback)));
      return fallback;
    }
    return value ?? fallback;
  }

  /** The first choice is the default. */
  choice<T extends string>(key: string, value: unknown, choices: readonly [T, ...T[]]): T {
    const found = value === undefined ? choices[0] : choices.find((choice) => choice === value);
    if (found === undefined) {
      this.wrong(key, value, `must be one of ${choices.join(", ")}`, setFix(key, choices[0]));
    }
    return found ?? choices[0];
  }

  networks(key: string, value: unknown): string[] {
    if (value === undefined) {
      return [];
    }
    if (!Array.isArray(value)) {
      this.wrong(key, value, "must be a list of addresses or networks", `pulumi config rm --path ${pathOf(key)}`);
      return [];
    }
    return value.flatMap((entry: unknown, index) => {
      const [address = "", bits, ...rest] = typeof entry === "string" ? entry.split("/") : [];
      const width = isIP(address) === 6 ? 128 : 32;
      if (
        isIP(address) === 0 ||
        rest.length > 0 ||
        (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= width))
      ) {
        const place = `${key}[${String(index)}]`;
        const reason = "must be an IP address or a network such as 203.0.113.0/24";
        this.wrong(place, entry, reason, `pulumi config rm --path ${pathOf(place)}`);
        return [];
      }
      return [String(entry)];
    });
  }
}

/** The key as `pulumi config --path` takes it, quoted for a shell. */
export function pathOf(key: string): string {
  return `'monoclaw:${key}'`;
}

/** The command that sets a key to a value. */
export function setFix(key: string, value: string): string {
  return key.includes(".")
    ? `pulumi config set --path ${pathOf(key)} ${value}`
    : `pulumi config set monoclaw:${key} ${value}`;
}
