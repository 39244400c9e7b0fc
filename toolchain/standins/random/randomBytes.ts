import { randomBytes } from "node:crypto";
import type { Resource } from "../rpc/resource";

/** `random.RandomBytes`. Its id is the value in base64, in plain text, exactly as the official plugin has it. */
export const randomBytesResource: Resource = {
  inputs: {
    length: { type: "number", required: true, replace: true },
    keepers: { type: "map", of: { type: "string" }, replace: true },
  },
  outputs: ["base64", "hex"],
  secretOutputs: ["base64", "hex"],
  check({ length }) {
    if (typeof length !== "number" || (Number.isInteger(length) && length >= 1)) return [];
    return [{ property: "length", reason: `expected a whole number of bytes, at least 1, got ${String(length)}` }];
  },
  create(inputs) {
    const bytes = randomBytes(Number(inputs["length"]));
    const base64 = bytes.toString("base64");
    return Promise.resolve({ id: base64, outputs: { ...inputs, base64, hex: bytes.toString("hex") } });
  },
  delete: () => Promise.resolve(),
};
