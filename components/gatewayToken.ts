import * as pulumi from "@pulumi/pulumi";
import { secretHex } from "./secretHex";

/** The gateway's token: 256 random bits as 64 hex digits (requirements: Gateway token). Replace the resource to rotate it. */
export class GatewayToken extends pulumi.ComponentResource {
  /** The token. Secret. */
  readonly token: pulumi.Output<string>;
  /** What to name in `pulumi up --replace` for a new token. */
  readonly rotationUrn: pulumi.Output<string>;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:GatewayToken", name, {}, opts);
    const random = secretHex(`${name}-token`, { parent: this });
    this.token = pulumi.secret(random.result);
    this.rotationUrn = random.urn;
    this.registerOutputs({ token: this.token, rotationUrn: this.rotationUrn });
  }
}
