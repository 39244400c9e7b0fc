/** An answer that is an error in the form of the Hetzner Cloud API. Codes are those that its clients know. */
export class ApiError extends Error {
  constructor(
    /** HTTP status. */
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: unknown = {},
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** The body that clients get. */
  body(): { error: { code: string; message: string; details: unknown } } {
    return { error: { code: this.code, message: this.message, details: this.details } };
  }
}

/** 401 for a missing or wrong token. */
export const unauthorized = (): ApiError => new ApiError(401, "unauthorized", "unable to authenticate");

/** 404 for a resource. */
export const notFound = (what: string, id: string | number): ApiError =>
  new ApiError(404, "not_found", `${what} with ID '${String(id)}' not found`);

/** 409 for a value that another resource has already. */
export const notUnique = (field: string, message: string): ApiError =>
  new ApiError(409, "uniqueness_error", message, { fields: [{ name: field, messages: [message] }] });

/** 423 while another action runs on the resource. */
export const locked = (what: string): ApiError =>
  new ApiError(423, "locked", `${what} is locked because another action is running`);

/** 423 for a delete or rebuild of something protected. */
export const isProtected = (what: string): ApiError =>
  new ApiError(423, "protected", `${what} is protected: switch the protection off first`);

/** 422 for input that is well formed but can't be. */
export const invalidInput = (field: string, message: string): ApiError =>
  new ApiError(422, "invalid_input", `invalid input in field '${field}'`, {
    fields: [{ name: field, messages: [message] }],
  });

/** What this lab does not emulate. */
export const notEmulated = (what: string): ApiError =>
  new ApiError(501, "unsupported_error", `the lab does not emulate ${what}`);
