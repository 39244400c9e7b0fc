import assert from "node:assert/strict";
import { until } from "../e2e/attacker";
import { Keys } from "../e2e/keys";
import type { TestStack } from "../e2e/stack";
import { attacks } from "./attempts";

// Who has the gateway's process owns its folder, and may send a signal to whatever runs as its user. Neither keeps root from its work.
const attack = attacks();

const folder = "/var/lib/openclaw/.openclaw";
const config = `${folder}/openclaw.json`;
const asGateway = "setpriv --reuid=openclaw --regid=openclaw --clear-groups --reset-env bash -eu -";

/** The gateway runs, from its own file, with the token that root has, and listens to nobody else. */
async function isWell(stack: TestStack): Promise<void> {
  assert.equal(
    await stack.root(`stat -c '%a %U %F' ${folder} ${config}`),
    "700 openclaw directory\n600 openclaw regular file\n",
  );
  const { gateway } = JSON.parse(await stack.root(`cat ${config}`)) as {
    gateway: { bind: string; auth: { token: string } };
  };
  assert.deepEqual(
    [gateway.bind, `${gateway.auth.token}\n`],
    ["loopback", await stack.root("cat /etc/monoclaw/auth-token")],
  );
  const asked = "source /usr/local/vps-scripts/gateway.sh; token_status $(</etc/monoclaw/auth-token)";
  assert.match(await stack.root(asked), /^(200|404)$/);
}

/** What root does on this host: each of it needs the gateway's folder, and helpers that run as its user. */
const works = {
  "the gateway layer": async (stack: TestStack) => {
    const { envelopes } = await Keys.of(stack);
    return stack.tryRoot("monoclaw-config apply", envelopes.get("gateway"));
  },
  repair: async (stack: TestStack) => stack.ssh("sudo -n monoclaw-config repair"),
  "a new token": async (stack: TestStack) => stack.ssh("sudo -n monoclaw-config regenerate-token"),
};

interface Plant {
  readonly work: keyof typeof works;
  /** As the gateway. */
  readonly script: string;
  /** What a mere `up` says of it: a person may have mistyped, so it is left as it is. Nothing: it is put right at once. */
  readonly refused?: RegExp;
  /** What the work says of it. */
  readonly said: RegExp;
}

const repair = /on the host: sudo monoclaw-config repair/;
const setAside = /set aside what stood in the place of \/var\/lib\/openclaw\/\.openclaw/;
/** Things that stand in the way, each with the work that it is to stop. */
const plants: Readonly<Record<string, Plant>> = {
  "folders where files belong, and rights that keep its own user out": {
    work: "the gateway layer",
    script: `cd; rm ${config}; mkdir -p ${config}/full ${folder}/.openclaw.json.monoclaw-new/full; chmod 000 ${config} ${folder}
      mv .cache/node .cache/moved; touch .cache/node; chmod 000 .`,
    said: setAside,
  },
  "a link to a folder of root's in its folder's place": {
    work: "a new token",
    script: `cd; mv ${folder} moved; ln -s /etc/monoclaw ${folder}`,
    said: setAside,
  },
  "what nobody can read": { work: "repair", script: `echo '{ gateway: {' >${config}`, refused: repair, said: setAside },
  "folders of its own that it may not enter": {
    work: "a new token",
    script: `find ${folder}/* -depth -type d -exec chmod 000 {} +`,
    said: /trying again with the gateway stopped/,
  },
  "more levels than anybody has": {
    work: "repair",
    script: `{ printf '{"x":%.0s' {1..20000}; echo -n 1; printf '}%.0s' {1..20000}; } >${config}`,
    refused: repair,
    said: setAside,
  },
  "what OpenClaw refuses, and ends": {
    work: "repair",
    script: `sed -i '0,/{/s//{ "noSuchKey": 1,/' ${config}; pkill openclaw-gatewa
      until systemctl is-failed --quiet openclaw; do ((SECONDS < 120)); sleep 0.5; done`,
    refused: /the gateway didn't become ready/,
    said: setAside,
  },
};

attack("plants what stops root's work", "gateway", Object.keys(plants), async (stack, way) => {
  const { work, script, refused, said } = plants[way] ?? assert.fail(way);
  const ofRoot = "stat -c '%a %U %F %n' /etc/monoclaw /etc/monoclaw/*";
  await stack.root("rm -f /etc/monoclaw/{revoked-tokens,token-regenerated}");
  const before = await stack.root(ofRoot);
  await stack.root(asGateway, script);
  if (refused !== undefined) {
    const applied = await works["the gateway layer"](stack);
    assert.equal(applied.exitCode, 91, applied.stdout + applied.stderr);
    assert.match(applied.stdout + applied.stderr, refused);
  }
  const done = await works[work](stack);
  assert.equal(done.exitCode, 0, done.stdout + done.stderr);
  assert.match(done.stdout + done.stderr, said);
  await isWell(stack);
  await stack.root("rm -f /etc/monoclaw/{revoked-tokens,token-regenerated}");
  assert.equal(await stack.root(ofRoot), before);
});

/** Sends a signal to all of its user that isn't the gateway's own, as fast as it can; it is a process of the gateway's. */
const sender = `
import os, signal, sys
number = getattr(signal, sys.argv[1])
own = {int(pid) for pid in open(sys.argv[2])} | {os.getpid()}
os.setresgid(*[int(sys.argv[4])] * 3)
os.setresuid(*[int(sys.argv[3])] * 3)
while True:
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and int(pid) not in own and os.stat(f"/proc/{pid}").st_uid == os.getuid():
                os.kill(int(pid), number)
        except OSError:
            pass
`;

attack(
  "ends or halts what root runs as its user",
  "gateway",
  ["SIGKILL, the gateway layer", "SIGTERM, the gateway layer", "SIGSTOP, a new token"],
  async (stack, way) => {
    const [signal = "", work = ""] = way.split(", ");
    await stack.root("cat >/usr/local/lib/attack-sender.py", sender);
    // So that there is something to write.
    if (work === "the gateway layer") await stack.root(`sed -i 's/"bind": "loopback"/"bind": "lan"/' ${config}`);
    try {
      await stack.root(`procs=/sys/fs/cgroup$(systemctl show openclaw -p ControlGroup --value)/cgroup.procs
        (echo $BASHPID >$procs; exec python3 /usr/local/lib/attack-sender.py ${signal} $procs $(id -u openclaw) $(id -g openclaw) \\
          </dev/null >/dev/null 2>&1) &`);
      const helper = `source /usr/local/vps-scripts/gateway.sh; timeout 3 setpriv "\${as_openclaw[@]}" sleep 1`;
      await until("a helper is disturbed", 20, async () => (await stack.tryRoot(helper)).exitCode !== 0);
      const done = await works[work as keyof typeof works](stack);
      assert.equal(done.exitCode, 0, done.stdout + done.stderr);
      assert.match(done.stdout + done.stderr, /failed or was killed: trying again with the gateway stopped/);
      await isWell(stack);
    } finally {
      await stack.root("rm -f /usr/local/lib/attack-s*.py; pkill -KILL -f [a]ttack-sender || :");
    }
  },
);

/** What it does to its folder, again and again, while root works there. */
const loops: Readonly<Record<string, string>> = {
  "writes openclaw.json": `echo >>${config}`,
  "takes the rights from its folder": `chmod 000 ${folder}`,
  "makes a folder in the candidate's place": `mkdir ${folder}/.openclaw.json.monoclaw-new`,
};

attack("changes its folder in a loop while root works", "gateway", Object.keys(loops), async (stack, way) => {
  const begun = "/var/lib/openclaw/attack-begun";
  const loop = `while :; do ${loops[way] ?? assert.fail(way)}; touch ${begun}; sleep 0.05; done`;
  await stack.root(`procs=/sys/fs/cgroup$(systemctl show openclaw -p ControlGroup --value)/cgroup.procs
    (echo $BASHPID >$procs; exec setpriv --reuid=openclaw --regid=openclaw --clear-groups --reset-env bash -c '${loop}' \
      </dev/null >/dev/null 2>&1) &`);
  await until("the loop runs", 20, async () => (await stack.tryRoot(`test -e ${begun}`)).exitCode === 0);
  const done = await works["a new token"](stack);
  await stack.root(`rm -f ${begun}`);
  assert.equal(done.exitCode, 0, done.stdout + done.stderr);
  await isWell(stack);
});

attack("opens the debugger of a helper", "gateway", ["by SIGUSR1"], async (stack) => {
  const node = "/opt/openclaw/current/bin/node";
  const program = "console.log(process.pid); setTimeout(() => {}, 3000)";
  /** What it says after the signal. */
  const opened = async (option: string) =>
    stack.root(`exec 3< <(exec setpriv --reuid=openclaw --regid=openclaw --clear-groups --reset-env ${node} ${option} -e '${program}' 2>&1)
      read -r pid <&3; kill -USR1 "$pid"; cat <&3`);
  assert.match(await opened(""), /Debugger listening/, "this shows nothing");
  assert.equal(await opened("--disable-sigusr1"), "");
});
