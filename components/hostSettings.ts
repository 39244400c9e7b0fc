import * as pulumi from "@pulumi/pulumi";
import type { ContentSettings, ExistingSettings, StructureSettings } from "../lib/config";
import { readContent, readStructure } from "../lib/config/host";
import type { RawMap } from "../lib/config/key";
import { content, existing, host as hostKeys, hostName, hostNameReason, stack } from "../lib/config/keys";
import { Mistakes, sentence } from "../lib/config/mistakes";
import { Scope } from "../lib/config/scope";
import type { HostInputs } from "./hostInputs";

/** A host's settings, complete. */
export interface PreparedSettings extends Omit<StructureSettings, "existing"> {
  /** How to reach an existing machine; `undefined` for another target. */
  readonly existing: ExistingInputs | undefined;
  /** What the resources hold, each of which may be known later. */
  readonly content: { readonly [K in keyof ContentSettings]: pulumi.Output<ContentSettings[K]> };
}

/** How to reach an existing machine; its private key may be known later. */
export interface ExistingInputs extends Omit<ExistingSettings, "privateKey"> {
  readonly privateKey: pulumi.Input<string> | undefined;
}

/** A host's arguments, beside those that aren't the configuration's keys. */
interface Given {
  readonly keys: HostInputs;
  readonly leastSerial: number;
}

/**
 * Checks a host's arguments and fills in the defaults.
 *
 * @throws RunError with every mistake in what is known now. What comes as an output is checked when it is known
 */
export function prepare(name: string, { keys, leastSerial }: Given): PreparedSettings {
  const raw: RawMap = { ...keys };
  const late = Object.keys(content).filter((key) => isLate(raw[key]));
  const privateKey = keys.existing?.privateKey;
  const lateKey = isLate(privateKey) ? pulumi.output(privateKey) : undefined;
  const now: RawMap = {
    ...raw,
    ...Object.fromEntries(late.map((key) => [key, undefined])),
    existing: keys.existing && (lateKey === undefined ? keys.existing : { ...keys.existing, privateKey: undefined }),
    leastSerial,
  };
  const known = Object.fromEntries(Object.entries(content).filter(([key]) => !late.includes(key)));
  const settings = checked(name, now, (mistakes, scope) => {
    if (!hostName.test(name)) {
      mistakes.add("the name", name, hostNameReason);
    }
    if (late.includes("server") && keys.target === "existing") {
      mistakes.add("server", "…", "is for hosts with target hcloud; this one's is existing");
    }
    scope.onlyKeys(["leastSerial", ...Object.keys(hostKeys)]);
    scope.pick({ leastSerial: stack.serial });
    return { ...readStructure(mistakes, scope), held: readContent(mistakes, scope, known) };
  });
  const { held, ...structure } = settings;
  const output = <K extends keyof ContentSettings>(key: K): pulumi.Output<ContentSettings[K]> =>
    late.includes(key) ? later(name, key, raw[key]) : (pulumi.output(held[key]) as pulumi.Output<ContentSettings[K]>);
  return {
    ...structure,
    existing: structure.existing && {
      ...structure.existing,
      privateKey:
        lateKey === undefined
          ? structure.existing.privateKey
          : lateKey.apply((value) => checkedPrivateKey(name, value ?? "")),
    },
    content: {
      authorizedKeys: output("authorizedKeys"),
      limits: output("limits"),
      fail2ban: output("fail2ban"),
      updates: output("updates"),
      kernel: output("kernel"),
      openclaw: output("openclaw"),
      server: output("server"),
    },
  };
}

/** True for an output or a promise, and for what holds one. */
function isLate(value: unknown): boolean {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) {
    return true;
  }
  return typeof value === "object" && value !== null && Object.values(value).some(isLate);
}

/** A value that comes as an output. It may not be a secret: what it is for goes to the host in clear, and is in previews. */
function later<K extends keyof ContentSettings>(
  name: string,
  key: K,
  given: unknown,
): pulumi.Output<ContentSettings[K]> {
  const output = pulumi.output(given as pulumi.Input<RawMap>);
  return output.apply(async (value) => {
    if (await pulumi.isSecret(output)) {
      throw refusal(name, [`${key} is a secret, but is shown in previews; if it may be: pulumi.unsecret(…)`]);
    }
    return contentOf(name, key, value);
  });
}

/** @throws RunError with every mistake in one key */
export function contentOf<K extends keyof ContentSettings>(name: string, key: K, value: unknown): ContentSettings[K] {
  const keys: Partial<typeof content> = { [key]: content[key] };
  const read = (mistakes: Mistakes, scope: Scope) => readContent(mistakes, scope, keys) as RawMap;
  return checked(name, { [key]: value }, read)[key] as ContentSettings[K];
}

function checkedPrivateKey(name: string, value: string): string {
  const read = (_: Mistakes, scope: Scope) =>
    scope.group("existing").pick({ privateKey: existing.privateKey }).privateKey;
  return checked(name, { existing: { privateKey: value } }, read) ?? "";
}

/** Reads settings from a program's arguments. Relative paths start from its working folder. */
function checked<T>(name: string, values: RawMap, read: (mistakes: Mistakes, scope: Scope) => T): T {
  const mistakes = new Mistakes(process.cwd(), "program");
  const settings = read(mistakes, new Scope(mistakes, [{ prefix: "", values, isHome: true }]));
  if (mistakes.all.length > 0) {
    throw refusal(name, mistakes.all.map(sentence));
  }
  return settings;
}

function refusal(name: string, reasons: readonly string[]): pulumi.RunError {
  return new pulumi.RunError([`the arguments of Host ${name} have mistakes:`, ...reasons].join("\n  "));
}
