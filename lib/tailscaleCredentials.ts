/** The provider's settings and, after each, the variable that stands in for it. */
const sources = {
  apiKey: "TAILSCALE_API_KEY",
  oauthClientId: "TAILSCALE_OAUTH_CLIENT_ID",
  oauthClientSecret: "TAILSCALE_OAUTH_CLIENT_SECRET",
  identityToken: "TAILSCALE_IDENTITY_TOKEN",
  identityTokenEnvironmentVariableName: "TAILSCALE_IDENTITY_TOKEN_ENVIRONMENT_VARIABLE_NAME",
  audience: "TAILSCALE_AUDIENCE",
} as const;

/**
 * What is wrong with the credentials that the provider `tailscale` would use, said before anything is touched;
 * `undefined` if nothing is.
 *
 * @param config - the stack's configuration, whole keys to values
 */
export function credentialsProblem(
  config: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const has = (name: keyof typeof sources) =>
    (config[`tailscale:${name}`] ?? "") !== "" || (environment[sources[name]] ?? "") !== "";
  const proof =
    has("oauthClientSecret") || has("identityToken") || has("identityTokenEnvironmentVariableName") || has("audience");
  if (has("apiKey")) {
    return has("oauthClientId") || proof
      ? "needs one way into Tailscale's API, and there are two, an API key and an OAuth client: remove one"
      : undefined;
  }
  if (has("oauthClientId") !== proof) {
    const missing = proof ? "tailscale:oauthClientId" : "tailscale:oauthClientSecret";
    return `needs both halves of an OAuth client for Tailscale's API, and ${missing} is missing`;
  }
  return proof ? undefined : "needs credentials for Tailscale's API, and there are none";
}
