import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** The gateway's token: 256 random bits as 64 hex digits (document: Gateway Token). Replace the resource to rotate it. */
export class GatewayToken extends pulumi.ComponentResource {
  /** The token. Secret. */
  readonly token: pulumi.Output<string>;
  /** What to name in `pulumi up --replace` for a new token. */
  readonly rotationUrn: pulumi.Output<string>;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:GatewayToken", name, {}, opts);
    const bytes = new random.RandomBytes(`${name}-token`, { length: 32 }, { parent: this });
    this.token = pulumi.secret(bytes.hex);
    this.rotationUrn = bytes.urn;
    this.registerOutputs({ token: this.token, rotationUrn: this.rotationUrn });
  }
}
