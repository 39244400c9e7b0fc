import type { Fields } from "../rpc/fields";
import type { JsonMap } from "../rpc/values";

/** How to reach the remote host; defaults and names are the official plugin's. */
export const connectionFields: Fields = {
  user: { type: "string", default: "root" },
  password: { type: "string", secret: true },
  host: { type: "string", required: true },
  port: { type: "number", default: 22 },
  privateKey: { type: "string", secret: true },
  privateKeyPassword: { type: "string", secret: true },
  agentSocketPath: { type: "string" },
  dialErrorLimit: { type: "number", default: 10 },
  perDialTimeout: { type: "number", default: 15 },
  hostKey: { type: "string" },
  proxy: { type: "any", uncovered: true },
};

/** A connection with its defaults filled in. */
export interface Connection {
  user: string;
  host: string;
  port: number;
  /** Failed dials after which to give up; -1 for never. */
  dialErrorLimit: number;
  /** Seconds for one dial; 0 for no limit. */
  perDialTimeout: number;
  password?: string;
  privateKey?: string;
  privateKeyPassword?: string;
  agentSocketPath?: string;
  /** One public key in OpenSSH's format; any host key goes if there is none. */
  hostKey?: string;
}

/** Takes a connection out of checked inputs. */
export function connectionOf(inputs: JsonMap): Connection {
  return inputs["connection"] as unknown as Connection;
}
