import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { encrypt } from "../../lib/age";
import { readAnswer } from "../../lib/answer";
import { sshKeyPair, sshsig } from "../../lib/keys";
import { message, namespace, sign, signedPart, takeover } from "../../lib/envelope";
import { fingerprint, host } from "./hostTest";
import { Keys } from "./keys";
import type { TestStack } from "./stack";

const hostTest = host("ssh", { gateway: false });

let known: Promise<Keys> | undefined;
const keysOf = (stack: TestStack) => (known ??= Keys.of(stack));

/** Sends each envelope; each must be refused with its own code and message, and nothing may change. */
function refused(
  name: string,
  make: (keys: Keys) => readonly { readonly what: string; readonly input: string | Buffer }[],
  codes: readonly number[],
  says: RegExp,
): void {
  hostTest(name, async (stack) => {
    const keys = await keysOf(stack);
    const before = await fingerprint(stack);
    const cases = [...make(keys)];
    const send = async () => {
      for (let next = cases.shift(); next !== undefined; next = cases.shift()) {
        const result = await keys.deploy("apply", next.input);
        assert.ok(
          codes.includes(result.exitCode ?? -1),
          `${next.what}: exit code ${String(result.exitCode)}\n${result.all}`,
        );
        assert.match(result.stderr, says, next.what);
      }
    };
    // Three side by side: sshd drops connections when too many are not yet logged in.
    await Promise.all([send(), send(), send()]);
    assert.equal(await fingerprint(stack), before);
  });
}

const script = "touch /etc/monoclaw/e2e-was-here\n";
const other = "5a".repeat(32);
const one = (what: string, input: string | Buffer) => [{ what, input }];
const signature = "-----BEGIN SSH SIGNATURE-----";

hostTest("a good envelope is taken: the refusals below are no accident", async (stack) => {
  const result = await (await keysOf(stack)).apply((await keysOf(stack)).envelope("e2e", "note fine\n").text);
  assert.deepEqual([result.exitCode, result.stdout], [0, "e2e: fine"]);
});
refused("an empty envelope: 80", () => one("empty", ""), [80], /refused: the envelope is empty/);
refused("an envelope of 2 MiB: 81", () => one("2 MiB", "x".repeat(2 * 1024 * 1024)), [81], /larger than 1048576 bytes/);
refused(
  "a truncated envelope, in header, script or signature: 82, 84",
  (keys) => {
    const { text } = keys.envelope("e2e", script);
    const cuts = [
      1,
      25,
      60,
      text.indexOf("touch") + 5,
      text.indexOf(signature),
      text.indexOf(signature) + 60,
      text.length - 2,
    ];
    return cuts.map((at) => ({ what: `cut at ${String(at)}`, input: text.slice(0, at) }));
  },
  [82, 84],
  /refused: the (envelope ends|envelope has no signature|signature is incomplete)/,
);
refused(
  "an envelope that is no envelope: 83",
  () => [
    { what: "binary", input: Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 31) % 256)) },
    { what: "text", input: "hello\n".repeat(20) },
    {
      what: "future version",
      input: `monoclaw-envelope 3\nhost ${"0".repeat(32)}\nmachine ${"0".repeat(32)}\nlayer x\nserial 1\nact apply\ncontent plain\nlength 1\n\nx`,
    },
    { what: "NUL bytes", input: "\0\n".repeat(400) },
  ],
  [83],
  /refused: the header is malformed/,
);
refused(
  "NUL bytes and leading zeros in an otherwise right header: 83",
  (keys) => {
    const { text } = keys.envelope("e2e", script);
    return [
      { what: "NUL in a line", input: text.replace("layer e2e", "layer e2e\0") },
      { what: "leading zero", input: text.replace("\nserial ", "\nserial 0") },
      { what: "path as a layer", input: text.replace("layer e2e", "layer ../x") },
      { what: "carriage return", input: text.replace("layer e2e\n", "layer e2e\r\n") },
    ];
  },
  [83],
  /refused: the header is malformed/,
);
refused(
  "an unsigned envelope: 84",
  (keys) => one("unsigned", signedPart(keys.envelope("e2e", script).text)),
  [84],
  /refused: the envelope has no signature/,
);
refused(
  "an envelope signed by another key: 85",
  (keys) => {
    const text = signedPart(keys.envelope("e2e", script).text);
    return [
      ...one("another key", text + sign(other, text)),
      ...one("the deploy key", text + sign(keys.seeds.deploy, text)),
    ];
  },
  [85],
  /not one of this host's signing key/,
);
refused(
  "the signing key's signature for another purpose, or of another layer's script: 86",
  (keys) => {
    const text = signedPart(keys.envelope("e2e", script).text);
    const elsewhere = signedPart(keys.envelope("e3e", script).text);
    return [
      ...one("namespace file", text + sshsig(keys.seeds.signing, "file", Buffer.from(text))),
      ...one("namespace prefix", text + sshsig(keys.seeds.signing, `${namespace}2`, Buffer.from(text))),
      ...one("transplanted", text + sign(keys.seeds.signing, elsewhere)),
    ];
  },
  [86],
  /altered, or signed for another purpose/,
);
refused(
  "another host's envelope, and that of the machine which had this one's place: 87",
  (keys) =>
    (["hostId", "machine"] as const).map((what) => {
      const header = {
        ...keys.own,
        [what]: "0".repeat(32),
        act: "apply",
        layer: "e2e",
        serial: keys.serial(),
      } as const;
      const text = message({ ...header, content: "plain" }, script);
      return { what, input: text + sign(keys.seeds.signing, text) };
    }),
  [87],
  /refused: the envelope is for (host 0{32}|another machine)/,
);
refused(
  "anything before, within or behind an envelope: 83",
  (keys) => {
    const { text } = keys.envelope("e2e", script);
    const second = text.slice(text.indexOf(signature));
    return [
      ...one("a line before it", `\n${text}`),
      ...one("another signature behind it", text + second),
      ...one("a line behind it", `${text}x\n${second}`),
      ...one("a blank within the signature", text.replace(`${signature}\n`, `${signature}\n\n`)),
      ...one("NUL bytes within it", text.replace(`${signature}\n`, `${signature}\n\0`)),
      ...one("another envelope", text + text),
    ];
  },
  [83],
  /refused: (the header is malformed|something stands within or behind the signature)/,
);
refused(
  "an envelope of the first format, but that which brings today's receiver: 83",
  (keys) => {
    const old = takeover(keys.own.hostId, script);
    const other = [old.replace("layer receiver", "layer ssh"), old.replace("generation 999999999", "generation 7")];
    return other.map((text) => ({ what: text, input: text + sign(keys.seeds.signing, text) }));
  },
  [83],
  /is this an old checkout of the program\?/,
);
hostTest("that one is answered, not applied", async (stack) => {
  const keys = await keysOf(stack);
  const before = await fingerprint(stack);
  const text = takeover(keys.own.hostId, script);
  const result = await keys.deploy("apply", text + sign(keys.seeds.signing, text));
  assert.deepEqual([result.exitCode, result.stdout], [0, "this host takes the second format"]);
  assert.equal(await fingerprint(stack), before);
});
refused(
  "a script that is encrypted to another machine: 88",
  (keys) => {
    const body = encrypt(sshKeyPair("77".repeat(32), "x").publicKey, keys.seeds.signing, script);
    const header = { ...keys.own, act: "apply", layer: "e2e", serial: keys.serial() } as const;
    const text = message({ ...header, content: "age" }, body);
    return one("encrypted", text + sign(keys.seeds.signing, text));
  },
  [88],
  /can't be decrypted on this host/,
);
refused(
  "an envelope altered in any byte, header, script or signature: 81 to 88",
  (keys) => {
    const bytes = Buffer.from(keys.envelope("e2e", script).text);
    // The last byte is a line break behind the signature's armour, which carries nothing.
    const count = 48;
    return Array.from({ length: count }, (_, index) => {
      const at = Math.floor((index * (bytes.length - 2)) / (count - 1));
      const input = Buffer.from(bytes);
      input[at] = (input[at] ?? 0) ^ 1;
      return { what: `byte ${String(at)}`, input };
    });
  },
  [82, 83, 84, 85, 86, 87],
  /^refused: /,
);

hostTest(
  "a superseded envelope, and one that was signed before what the host has and never arrived: 89, with the remedy; the current one again: fine",
  async (stack) => {
    const keys = await keysOf(stack);
    const own = randomUUID(); // the host remembers, so a second run needs envelopes of its own
    const [lost, first, second] = ["lost", "one", "two"].map((text) =>
      keys.envelope("e2e-history", `note ${text} ${own}\n`),
    );
    assert.ok(lost !== undefined && first !== undefined && second !== undefined);
    for (const { text } of [first, second, second]) {
      assert.equal((await keys.apply(text)).exitCode, 0);
    }
    const before = await fingerprint(stack);
    const same = keys.envelope("e2e-history", `note other ${own}\n`, second.serial);
    for (const { text, serial } of [lost, first, same]) {
      const refusal = await keys.apply(text);
      assert.equal(refusal.exitCode, 89);
      const said = new RegExp(
        `a later version of layer e2e-history: serial ${String(second.serial)}, this one has ${String(serial)}.*` +
          `pulumi config set monoclaw:serial ${String(second.serial + 1)}`,
        "s",
      );
      assert.match(refusal.stderr, said);
    }
    assert.equal(await fingerprint(stack), before);
  },
);

hostTest("a confirmation counts once: whoever kept a copy can't confirm the next try with it: 89", async (stack) => {
  const keys = await keysOf(stack);
  const change = keys.envelope("e2e-once", `note ${randomUUID()}; confirm_within 1\n`);
  assert.equal((await keys.apply(change.text)).exitCode, 0);
  const end = Date.now() + 20_000;
  while ((await stack.root("ls /var/lib/monoclaw/journal")) !== "") {
    assert.ok(Date.now() < end, "the change was never put back");
  }
  for (const act of ["confirm", "await"] as const) {
    const late = keys.envelope("e2e-once", "", undefined, { act, digest: change.digest });
    const asked = await keys.apply(late.text);
    assert.equal(asked.exitCode, 93, asked.all);
    await stack.root("/usr/local/vps-scripts/receiver.sh revert e2e-once");
    const again = await keys.apply(late.text);
    assert.equal(again.exitCode, 89, again.all);
    assert.match(again.stderr, /this was asked before/);
  }
  await stack.root("rm /var/lib/monoclaw/unconfirmed/e2e-once");
});

hostTest("an answer is the host's: over what was asked and said, and no text of an earlier one fits", async (stack) => {
  const keys = await keysOf(stack);
  // Escapes, among them one that names the terminal's window, and bytes that are no ASCII.
  const codes = "printf 'a\\033[31mb\\n'; printf 'c\\033]0;d\\007\\302\\233e\\n' >&2";
  const { text, digest } = keys.envelope("e2e-answer", `${codes}; note ${randomUUID()}\n`);
  const { stdout, stderr } = await keys.deploy("apply", text);
  const said = readAnswer(stdout, keys.hostKey, digest);
  assert.match(said ?? "", /^a\?\[31mb\nc\?\]0;d\?\?\?e\ne2e-answer: [0-9a-f-]{36}\n$/);
  // What the person at `pulumi up` sees while the host works.
  assert.match(stderr, /^a\?\[31mb\nc\?\]0;d\?\?\?e$/m);
  assert.doesNotMatch(stderr, /[^\t\n -~]/);
  const forged = {
    "another text": stdout.replace("e2e-answer:", "e2e-answex:"),
    "another request": stdout.replace(digest, "0".repeat(64)),
    "no signature": stdout.slice(0, stdout.indexOf(signature)),
    "cut off": stdout.slice(0, -20),
    "a line before it": `dashboard: https://evil.example\n${stdout}`,
    "a line behind it": `${stdout}\ndashboard: https://evil.example`,
    "another key":
      stdout.slice(0, stdout.indexOf(signature)) +
      sshsig(other, "monoclaw-answer", Buffer.from(stdout.slice(0, stdout.indexOf(signature)))),
  };
  for (const [what, answer] of Object.entries(forged)) {
    assert.equal(readAnswer(answer, keys.hostKey, digest), undefined, what);
  }
  assert.equal(readAnswer(stdout, keys.hostKey, "0".repeat(64)), undefined);
});

hostTest("an endless stream is cut off at once: 81", async (stack) => {
  const started = Date.now();
  const result = await stack.root("yes | timeout 30 monoclaw-config apply >/dev/null 2>&1; echo $?");
  assert.equal(result, "81\n");
  assert.ok(Date.now() - started < 10_000);
});

hostTest("no trust, no layer: with the signers' file gone, empty, a link or somebody else's, 92", async (stack) => {
  const keys = await keysOf(stack);
  const { text } = keys.envelope("e2e", script);
  const file = "/etc/monoclaw/allowed_signers";
  const broken = [
    `rm ${file}`,
    `: >${file}`,
    `mv ${file} /root/linked; ln -s /root/linked ${file}`,
    `chown ops ${file}`,
    `chmod 666 ${file}; chmod 711 /etc/monoclaw`,
    "rm /etc/monoclaw/host-id",
  ];
  await stack.root("cp -a /etc/monoclaw /root/trust");
  const before = await fingerprint(stack);
  try {
    for (const fault of broken) {
      await stack.root(fault);
      const result = await keys.apply(text);
      await stack.root("cp -a --remove-destination /root/trust/. /etc/monoclaw/");
      assert.equal(result.exitCode, 92, `${fault}: ${result.all}`);
      assert.match(result.stderr, /nothing can be trusted/);
    }
  } finally {
    await stack.root("cp -a --remove-destination /root/trust/. /etc/monoclaw/; rm -rf /root/trust /root/linked");
  }
  assert.equal(await fingerprint(stack), before);
});

hostTest("the caller's limits, folder and environment have no effect on an apply", async (stack) => {
  const keys = await keysOf(stack);
  const probe =
    'note "$(ulimit -f) $(pwd) ${LC_ALL-} ${BASH_ENV-none} ${LD_PRELOAD-none} ${NODE_OPTIONS-none}"\n((10#$(ulimit -n) > 64))\n';
  const { text } = keys.envelope("e2e-caller", probe);
  const shell = `set -eu; echo 'echo stolen >/tmp/e2e-bash-env' >/tmp/e2e-env.sh; mkdir /tmp/e2e-gone; cd /tmp/e2e-gone; rmdir /tmp/e2e-gone
    ulimit -f 10; ulimit -n 64; export BASH_ENV=/tmp/e2e-env.sh LC_ALL=tr_TR.UTF-8 NODE_OPTIONS=--require=/tmp/x PS4='$(id >/tmp/e2e-ps4)' SHELLOPTS
    export LD_PRELOAD=/tmp/e2e-none.so; exec sudo -n monoclaw-config apply 2>/dev/null`;
  const result = await stack.ssh(shell, { input: text });
  assert.equal(result.exitCode, 0, result.all);
  assert.match(result.stdout, /^e2e-caller: unlimited \/ C\.UTF-8 none none none$/m);
  // The user's own shell may read BASH_ENV; what matters is that root never did.
  assert.equal(await stack.root("find /tmp -maxdepth 1 -user root -name 'e2e-*'; rm -rf /tmp/e2e-*"), "");
});

hostTest("two runs of one layer at once: one wins, the other says so: 90", async (stack) => {
  const keys = await keysOf(stack);
  await stack.root("mkfifo /run/e2e-go");
  const { text } = keys.envelope("e2e-twice", "progress waiting\nread -r _ </run/e2e-go\nnote done\n");
  const first = keys.apply(text);
  try {
    const end = Date.now() + 10_000;
    while ((await stack.tryRoot("flock -n /run/monoclaw/lock.e2e-twice true")).exitCode === 0) {
      assert.ok(Date.now() < end, "the first run never took its lock");
    }
    const second = await keys.apply(text);
    assert.equal(second.exitCode, 90);
    assert.match(second.stderr, /another run of layer e2e-twice is under way/);
  } finally {
    await stack.root("timeout 10 bash -c 'echo go >/run/e2e-go'; rm /run/e2e-go");
  }
  assert.deepEqual([(await first).exitCode, (await first).stdout.split("\n").at(-1)], [0, "e2e-twice: done"]);
});

hostTest("the deploy key gets no shell, no file transfer, no forwarding: its two words only", async (stack) => {
  const keys = await keysOf(stack);
  for (const command of [
    "id",
    "bash -i",
    "apply; id",
    "apply id",
    `confirm ssh ${"0".repeat(64)}`,
    "first-contact x",
    "left-over ssh",
    "tidy",
    "",
    "audit",
  ]) {
    const result = await keys.deploy(command);
    assert.equal(result.exitCode, 64, `${command}: ${result.all}`);
    assert.doesNotMatch(result.all, /uid=/);
  }
  const forwarded = await keys.apply("", {
    args: ["-o", "ExitOnForwardFailure=yes", "-R", "12345:127.0.0.1:1"],
  });
  assert.equal(forwarded.exitCode, 255, forwarded.all);
  const stdio = await keys.deploy("", "", { args: ["-W", "127.0.0.1:18789"] });
  assert.match(stdio.all, /administratively prohibited/);
  // sshd knows -L only when it is used: -W above is the same request.
});

hostTest("the primary user has no way to root through monoclaw-config's arguments", async (stack) => {
  const before = await fingerprint(stack);
  const attempts = [
    "apply /etc/shadow",
    "revert ssh",
    "recover",
    "leave",
    `confirm ssh ${"0".repeat(64)}`,
    "approve ../../etc",
    "forget --help",
    "'forget' 'x;id>/etc/pwned'",
    "--property=User=root id",
    "-- sh",
    "''",
  ];
  for (const attempt of attempts) {
    const result = await stack.ssh(`sudo -n monoclaw-config ${attempt}`);
    assert.equal(result.exitCode, 64, `${attempt}: ${result.all}`);
  }
  const denied = [
    [
      "id",
      "sh -c id",
      "-s",
      "-i",
      "-e /etc/shadow",
      "-u openclaw id",
      "-R / monoclaw-config apply",
      "-D /root monoclaw-config --help",
    ],
    ["BASH_ENV=/tmp/x monoclaw-config --help", "LD_PRELOAD=/tmp/x.so monoclaw-config --help"],
    ["/usr/local/bin/../bin/sh", "/usr/local/vps-scripts/receiver.sh recover", "systemctl stop ssh"],
  ].flat();
  for (const attempt of denied) {
    const result = await stack.ssh(`LD_PRELOAD= sudo -n ${attempt}`);
    assert.notEqual(result.exitCode, 0, `sudo ${attempt}: ${result.all}`);
    assert.doesNotMatch(result.stdout, /uid=|root:/);
  }
  assert.equal(await fingerprint(stack), before);
});
