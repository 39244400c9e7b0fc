import * as pulumi from "@pulumi/pulumi";
import { hostId } from "../lib/envelope";
import { sshKeyPair } from "../lib/keys";
import { secretHex } from "./secretHex";

/**
 * The keys between a stack and one of its hosts, each derived from a 256-bit secret random resource.
 *
 * The signing key is what a host obeys; the deploy key only lets an envelope be handed in; the bootstrap host key
 * proves the host on its first connection and is replaced there.
 */
export class Trust extends pulumi.ComponentResource {
  /** Seed of the signing key, 64 hex digits. Secret, and all that leads to root on the host. */
  readonly signingSeed: pulumi.Output<string>;
  /** What the host has in `/etc/monoclaw/allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS), one line. */
  readonly allowedSigners: pulumi.Output<string>;
  /** Names the host in every envelope: 32 hex digits, from the signing key. */
  readonly hostId: pulumi.Output<string>;
  /** Private half of the deploy key, in OpenSSH's format. Secret. */
  readonly deployPrivateKey: pulumi.Output<string>;
  /** Public half of the deploy key, one line. */
  readonly deployPublicKey: pulumi.Output<string>;
  /** Private half of the single-use host key, in OpenSSH's format. Secret until first contact, worthless after it. */
  readonly bootstrapPrivateKey: pulumi.Output<string>;
  /** Public half of the single-use host key, one line. */
  readonly bootstrapPublicKey: pulumi.Output<string>;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("monoclaw:index:Trust", name, {}, opts);
    const pair = (purpose: string) => {
      const seed = secretHex(`${name}-${purpose}`, { parent: this }).result;
      const keys = seed.apply((hex) => sshKeyPair(hex, `monoclaw-${purpose}`));
      return { seed, private: keys.privateKey, public: pulumi.unsecret(keys.publicKey) };
    };
    const signing = pair("signing");
    const deploy = pair("deploy");
    const bootstrap = pair("bootstrap");
    this.signingSeed = signing.seed;
    this.allowedSigners = signing.public.apply((key) => `monoclaw namespaces="monoclaw-layer" ${key}`);
    this.hostId = signing.public.apply(hostId);
    this.deployPrivateKey = deploy.private;
    this.deployPublicKey = deploy.public;
    this.bootstrapPrivateKey = bootstrap.private;
    this.bootstrapPublicKey = bootstrap.public;
    this.registerOutputs({ hostId: this.hostId, allowedSigners: this.allowedSigners });
  }
}
