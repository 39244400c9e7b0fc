/** One mistake in the configuration. */
export interface Mistake {
  /** Where: `sshPort`, `server.type`, `hosts.home.limits.memoryMax` … */
  readonly key: string;
  /** What stands there now. */
  readonly value: unknown;
  /** What is wrong with it. */
  readonly reason: string;
  /** A command that corrects it. */
  readonly fix: string;
}

/** What is wrong where, as one line. */
export function sentence({ key, value, reason }: Mistake): string {
  return `${key} ${value === undefined ? "is not set" : `= ${JSON.stringify(value)}`}: ${reason}`;
}

/** All mistakes of a configuration at once. */
export class ConfigError extends Error {
  constructor(readonly mistakes: readonly Mistake[]) {
    const count = mistakes.length === 1 ? "1 mistake" : `${String(mistakes.length)} mistakes`;
    const lines = mistakes.map((mistake) => `  monoclaw:${sentence(mistake)}\n      ${mistake.fix}`);
    super([`${count} in the configuration; nothing was changed.`, ...lines].join("\n"));
    this.name = "ConfigError";
  }
}

/** Collects the mistakes of a configuration. */
export class Mistakes {
  private readonly found: Mistake[] = [];

  /** Those that were found so far. */
  get all(): readonly Mistake[] {
    return this.found;
  }

  constructor(
    /** Folder that relative paths start from. */
    readonly root: string,
    /** Top-level keys that the configuration file holds encrypted; `program` if no file does, so that nothing can. */
    private readonly secretKeys: ReadonlySet<string> | "program",
  ) {}

  /** False for what no terminal or log should show. */
  private isSafe(key: string, value: unknown): boolean {
    const isText = typeof value === "string" || typeof value === "object";
    return !(isText && value !== null && (this.isSecret(key) || JSON.stringify(value).includes("PRIVATE KEY")));
  }

  /** True if the value of a key, at whatever depth, is encrypted in the configuration file. */
  isSecret(key: string): boolean {
    return this.secretKeys !== "program" && this.secretKeys.has(key.replace(/[.[].*$/, ""));
  }

  /** True if a secret in this place would be in clear in the configuration file. */
  isInClear(key: string): boolean {
    return this.secretKeys !== "program" && !this.isSecret(key);
  }

  /** Notes a mistake. The command removes the key, if it isn't told otherwise. */
  add(key: string, value: unknown, reason: string, fix = removeCommand(key)): void {
    // A value that several hosts share is one mistake, not one a host.
    if (!this.found.some((mistake) => mistake.key === key && mistake.reason === reason)) {
      this.found.push({ key, value: this.isSafe(key, value) ? value : "…", reason, fix });
    }
  }

  /** @throws ConfigError if there was any */
  finish(): void {
    if (this.found.length > 0) {
      throw new ConfigError(this.found);
    }
  }
}

/** The key as `pulumi config --path` takes it, quoted for a shell. */
export function pathOf(key: string): string {
  return `'monoclaw:${key}'`;
}

/** The command that removes a key. */
export function removeCommand(key: string): string {
  return `pulumi config rm --path ${pathOf(key)}`;
}

/** The command that sets a key to a value, which a shell takes as one word. */
export function setCommand(key: string, value: string): string {
  return /[.[]/.test(key)
    ? `pulumi config set --path ${pathOf(key)} ${value}`
    : `pulumi config set monoclaw:${key} ${value}`;
}
