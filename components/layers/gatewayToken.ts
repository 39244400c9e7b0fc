import { render } from "../../lib/render";

/** Script of the gateway-token layer (requirements: Gateway token). The script is a secret: it holds the token. */
export function gatewayTokenScript({ token }: { readonly token: string }): string {
  if (!/^[0-9a-f]{64}$/.test(token)) {
    throw new RangeError("a gateway token is 64 hexadecimal digits");
  }
  return render("layers/gateway-token.sh", { token });
}
