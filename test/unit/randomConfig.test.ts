import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigError, parseConfig } from "../../lib/config";
import { host, stack } from "../../lib/config/keys";
import { sshKeyPair } from "../../lib/keys";
import { placesOf } from "./places";

const { publicKey, privateKey } = sshKeyPair("01".repeat(32), "me@laptop");

/** What may stand in any place: what belongs there now and then, else anything. */
const anything: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom<unknown>(
      ...[
        null,
        true,
        false,
        0,
        22,
        -1,
        2222,
        1e21,
        [],
        {},
        "",
        "x",
        "tag:x",
        "a@example.com",
        "04:30",
        "1G",
        "manage",
        "existing",
      ],
      ...[
        publicKey,
        privateKey,
        "203.0.113.7",
        "198.51.100.0/24",
        "https://example.com",
        "../../..",
        "~/x",
        "\0",
        [publicKey],
      ],
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
);

/** Every place of the configuration, groups too, as a path. */
const everyPlace = [
  ...placesOf({ ...stack, ...host }).map(({ path }) => path),
  ...["home", "work", "B_", "constructor"].flatMap((name) => [
    ["hosts", name],
    ...placesOf(host, ["hosts", name]).map(({ path }) => path),
  ]),
  ...[["hosts"], ["sshprot"], ["__proto__"], ["limits", "constructor"], ["hosts", "home", "serial"]],
];

type Change = readonly [place: readonly string[], value: unknown];

/** A configuration with these values in these places. */
function withChanges(changes: readonly Change[]): Record<string, unknown> {
  const raw: Record<string, unknown> = { authorizedKeys: [publicKey] };
  for (const [place, value] of changes) {
    const last = place.at(-1) ?? "";
    const level = place.slice(0, -1).reduce((node, name) => {
      const below = Object.hasOwn(node, name) ? node[name] : undefined;
      const made = typeof below === "object" && below !== null && !Array.isArray(below) ? { ...below } : {};
      Object.defineProperty(node, name, { value: made, enumerable: true, configurable: true, writable: true });
      return made;
    }, raw);
    Object.defineProperty(level, last, { value, enumerable: true, configurable: true, writable: true });
  }
  return raw;
}

const configuration = fc.array(fc.tuple(fc.constantFrom(...everyPlace), anything), { maxLength: 8 }).map(withChanges);

void test("any configuration is taken, or refused with reasons and commands: nothing crashes, and no private key is shown", () => {
  const secret = privateKey.split("\n")[1]?.slice(0, 30) ?? assert.fail("no key");
  const outcomes = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(configuration, (raw) => {
      try {
        parseConfig(raw, __dirname, { secretKeys: new Set(["existing"]) });
        outcomes.taken += 1;
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(!error.message.includes(secret), error.message);
        for (const { reason, fix } of error.mistakes) {
          assert.notEqual(reason, "");
          assert.match(fix, /^(pulumi config (set|rm) |ssh-keygen )/);
        }
        outcomes.refused += 1;
      }
    }),
    { numRuns: 20_000 },
  );
  assert.ok(outcomes.taken > 500 && outcomes.refused > 5000, JSON.stringify(outcomes));
});
