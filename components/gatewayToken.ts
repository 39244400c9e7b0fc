import * as pulumi from "@pulumi/pulumi";
import { secretHex } from "./secretHex";

/** The gateway's token: 256 random bits as 64 hex digits (requirements: Gateway token). Replace the resource to rotate it. */
export class GatewayToken extends pulumi.ComponentResource {
  /** The token. Secret. */
  readonly token: pulumi.Output<string>;
  /** The command that makes a new token for stack and host. */
  readonly rotateCommand: pulumi.Output<string>;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:GatewayToken", name, {}, opts);
    const random = secretHex(`${name}-token`, { parent: this });
    this.token = pulumi.secret(random.result);
    this.rotateCommand = pulumi.interpolate`pulumi up --replace '${random.urn}'`;
    this.registerOutputs({ token: this.token, rotateCommand: this.rotateCommand });
  }
}
