/** What a failed test of a policy tells. */
export interface ErrorData {
  readonly user: string;
  readonly errors: readonly string[];
}

/** An answer that is an error in the form of Tailscale's API. */
export class TailnetError extends Error {
  constructor(
    /** HTTP status. */
    readonly status: number,
    message: string,
    readonly data?: readonly ErrorData[],
  ) {
    super(message);
    this.name = "TailnetError";
  }

  /** The body that clients get. */
  body(): object {
    return { message: this.message, ...(this.data === undefined ? {} : { data: this.data }) };
  }
}
