import { createHash } from "node:crypto";
import { Instance } from "../instances";
import { run } from "../run";
import { tailnetProgram } from "./control";
import { ErrorData, TailnetError } from "./errors";

/** The lab's own administrator, who stands for `autogroup:admin` and its like. */
export const administrator = "admin@example.com";

/** What policycheck says of a policy. */
interface Verdict {
  readonly json?: { readonly tagOwners?: Readonly<Record<string, unknown>> };
  readonly served?: string;
  readonly error?: string;
  readonly failures: readonly ErrorData[];
  readonly users: readonly string[];
}

/** A policy that holds: valid, and all of its tests pass. */
export interface Judged {
  /** Without comments. */
  readonly json: object;
  /** As headscale gets it. */
  readonly served: string;
  /** Users that it names. */
  readonly users: readonly string[];
  /** Tags that it defines. */
  readonly tags: readonly string[];
}

/** Judges a policy with headscale's engine, by tests as if each user and each tag had a device. */
export type Judge = (policy: string) => Promise<Judged>;

/** The judge of a lab. @throws TailnetError as Tailscale's API answers */
export function judgeOf(instance: Instance): Judge {
  return async (policy) => {
    const program = tailnetProgram(instance, "headscale/policycheck");
    const verdict = JSON.parse(await run([program, administrator], { input: policy })) as Verdict;
    if (verdict.error !== undefined || verdict.json === undefined || verdict.served === undefined) {
      throw new TailnetError(400, verdict.error ?? "not a policy");
    }
    if (verdict.failures.length > 0) {
      throw new TailnetError(400, "test(s) failed", verdict.failures);
    }
    const tags = Object.keys(verdict.json.tagOwners ?? {});
    return { json: verdict.json, served: verdict.served, users: verdict.users, tags };
  };
}

/** The ETag of a policy, without its quotes. */
export function etagOf(policy: string): string {
  return createHash("sha256").update(policy).digest("hex");
}
