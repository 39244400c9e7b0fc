import type * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/**
 * 256 random bits as 64 hex digits, kept secret in the state.
 *
 * Not `random.RandomBytes`: its id is the value itself in base64, and the engine keeps ids in plain text. A
 * `RandomPassword` over the sixteen hex digits has the same 256 bits and an id that says nothing.
 */
export function secretHex(name: string, opts: pulumi.CustomResourceOptions): random.RandomPassword {
  const digits = { special: true, overrideSpecial: "0123456789abcdef", lower: false, upper: false, numeric: false };
  return new random.RandomPassword(name, { length: 64, ...digits }, { ...opts, additionalSecretOutputs: ["result"] });
}
