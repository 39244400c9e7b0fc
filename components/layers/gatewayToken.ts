import { render } from "../../lib/render";
import type { LayerDefinition } from "./definition";

/** Script of the gateway-token layer (requirements: Gateway token). The script is a secret: it holds the token. */
export function gatewayTokenScript({ token }: { readonly token: string }): string {
  if (!/^[0-9a-f]{64}$/.test(token)) {
    throw new RangeError("a gateway token is 64 hexadecimal digits");
  }
  return render("layers/gateway-token/apply.sh", { token });
}

export const gatewayTokenLayer: LayerDefinition = {
  name: "gateway-token",
  after: ["users", "openclaw", "packages"], // which bring what decrypts it
  secret: true,
  script: ({ token }) => token.token.apply((secret) => gatewayTokenScript({ token: secret })),
  expected: ({ token }) => token.rotateCommand.apply((rotateToken) => ({ rotateToken })),
};
