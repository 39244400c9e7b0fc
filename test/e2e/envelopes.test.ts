import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { sshsig } from "../../lib/keys";
import { message, namespace, sign } from "../../lib/envelope";
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
  const result = await (await keysOf(stack)).deploy("apply", (await keysOf(stack)).envelope("e2e", "note fine\n").text);
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
    { what: "future version", input: "monoclaw-envelope 2\nhost x\nlayer x\ngeneration 1\nlength 1\n\nx" },
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
      { what: "leading zero", input: text.replace("\ngeneration ", "\ngeneration 0") },
      { what: "path as a layer", input: text.replace("layer e2e", "layer ../x") },
      { what: "carriage return", input: text.replace("layer e2e\n", "layer e2e\r\n") },
    ];
  },
  [83],
  /refused: the header is malformed/,
);
refused(
  "an unsigned envelope: 84",
  (keys) => one("unsigned", message({ hostId: keys.hostId, layer: "e2e", generation: keys.generation }, script)),
  [84],
  /refused: the envelope has no signature/,
);
refused(
  "an envelope signed by another key: 85",
  (keys) => {
    const text = message({ hostId: keys.hostId, layer: "e2e", generation: keys.generation }, script);
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
    const text = message({ hostId: keys.hostId, layer: "e2e", generation: keys.generation }, script);
    const elsewhere = message({ hostId: keys.hostId, layer: "e3e", generation: keys.generation }, script);
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
  "another host's envelope: 87",
  (keys) => {
    const text = message({ hostId: "0".repeat(32), layer: "e2e", generation: keys.generation }, script);
    return one("another host", text + sign(keys.seeds.signing, text));
  },
  [87],
  /refused: the envelope is for host 0{32}/,
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
  "a superseded envelope: 89, a lower generation: 88, each with its remedy; the current one again: fine",
  async (stack) => {
    const keys = await keysOf(stack);
    const own = randomUUID(); // the host remembers, so a second run needs envelopes of its own
    const [first, second] = ["one", "two"].map((text) => keys.envelope("e2e-history", `note ${text} ${own}\n`));
    assert.ok(first !== undefined && second !== undefined);
    for (const { text } of [first, second, second]) {
      assert.equal((await keys.deploy("apply", text)).exitCode, 0);
    }
    const before = await fingerprint(stack);
    const superseded = await keys.deploy("apply", first.text);
    assert.equal(superseded.exitCode, 89);
    const said = new RegExp(
      `a later version of layer e2e-history replaced this one.*pulumi config set monoclaw:generation ${String(keys.generation + 1)}`,
      "s",
    );
    assert.match(superseded.stderr, said);
    await stack.root("cp -a /var/lib/monoclaw/generation /root/generation; echo 97 >/var/lib/monoclaw/generation");
    const lower = await keys.deploy("apply", second.text);
    await stack.root("mv /root/generation /var/lib/monoclaw/generation");
    assert.equal(lower.exitCode, 88);
    assert.match(
      lower.stderr,
      /generation \d+ is lower than this host's 97.*pulumi config set monoclaw:generation 98/s,
    );
    assert.equal(await fingerprint(stack), before);
  },
);

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
      const result = await keys.deploy("apply", text);
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
  assert.deepEqual([result.exitCode, result.stdout], [0, "e2e-caller: unlimited / C.UTF-8 none none none"], result.all);
  // The user's own shell may read BASH_ENV; what matters is that root never did.
  assert.equal(await stack.root("find /tmp -maxdepth 1 -user root -name 'e2e-*'; rm -rf /tmp/e2e-*"), "");
});

hostTest("two runs of one layer at once: one wins, the other says so: 90", async (stack) => {
  const keys = await keysOf(stack);
  await stack.root("mkfifo /run/e2e-go");
  const { text } = keys.envelope("e2e-twice", "progress waiting\nread -r _ </run/e2e-go\nnote done\n");
  const first = keys.deploy("apply", text);
  try {
    const end = Date.now() + 10_000;
    while ((await stack.tryRoot("flock -n /run/monoclaw/lock.e2e-twice true")).exitCode === 0) {
      assert.ok(Date.now() < end, "the first run never took its lock");
    }
    const second = await keys.deploy("apply", text);
    assert.equal(second.exitCode, 90);
    assert.match(second.stderr, /another run of layer e2e-twice is under way/);
  } finally {
    await stack.root("timeout 10 bash -c 'echo go >/run/e2e-go'; rm /run/e2e-go");
  }
  assert.deepEqual([(await first).exitCode, (await first).stdout.split("\n").at(-1)], [0, "e2e-twice: done"]);
});

hostTest("the deploy key gets no shell, no file transfer, no forwarding: its four commands only", async (stack) => {
  const keys = await keysOf(stack);
  for (const command of [
    "id",
    "bash -i",
    "apply; id",
    "apply id",
    "confirm x",
    "confirm $(id) y",
    "confirm ssh ; id",
    "await ssh",
    "left-over ssh",
    "tidy",
    "",
    "audit",
  ]) {
    const result = await keys.deploy(command);
    assert.equal(result.exitCode, 64, `${command}: ${result.all}`);
    assert.doesNotMatch(result.all, /uid=/);
  }
  const forwarded = await keys.deploy("apply", "", {
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
    "confirm ../../etc 0",
    `confirm ssh $'${"0".repeat(64)}\\nid'`,
    "confirm --help --help",
    "'confirm' 'ssh;id>/etc/pwned' x",
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
