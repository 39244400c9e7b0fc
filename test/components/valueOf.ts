import type * as pulumi from "@pulumi/pulumi";

/** The value of an output, once everything before it is done. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply(resolve);
  });
}
