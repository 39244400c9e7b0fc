import assert from "node:assert/strict";
import { until } from "../e2e/attacker";
import { Keys } from "../e2e/keys";
import { attacks } from "./attempts";

// Who has had a shell of the primary user's would like to keep the stack from taking his key away.
const attack = attacks({ gateway: false });

let made: Promise<Keys> | undefined;

/** Plants, as a script of the primary user's in his home. */
const plants: Readonly<Record<string, string>> = {
  "a folder in the file's place":
    "rm .ssh/authorized_keys; mkdir -p .ssh/authorized_keys/full; chmod 000 .ssh/authorized_keys",
  "a folder with the name of the new file": "mkdir .ssh/authorized_keys.new; echo thief >>.ssh/authorized_keys",
  "a pipe in the file's place": "rm .ssh/authorized_keys; mkfifo .ssh/authorized_keys",
  "a pipe with the name of the new file": "mkfifo .ssh/authorized_keys.new; echo thief >>.ssh/authorized_keys",
  "a link in the file's place": "mv .ssh/authorized_keys keys; echo thief >>keys; ln -s ../keys .ssh/authorized_keys",
  "a link to a file of root's": "ln -sf /etc/shadow .ssh/authorized_keys",
  "a link in the folder's place": "mv .ssh other; echo thief >>other/authorized_keys; ln -s other .ssh",
  "a link to a folder of root's": "rm -rf .ssh; ln -s /etc/monoclaw .ssh",
  "a file in the folder's place": "rm -rf .ssh; echo thief >.ssh",
  "a folder that others may write": "echo thief >>.ssh/authorized_keys; chmod 777 .ssh",
  "rights that keep himself out": "echo thief >>.ssh/authorized_keys; chmod 000 .ssh/authorized_keys .ssh",
  "no folder": "rm -rf .ssh",
};

attack("keeps his key by what he plants in the home", "primary user", Object.keys(plants), async (stack, way) => {
  const { envelopes } = await (made ??= Keys.of(stack));
  const state = "cd /home/ops && stat -c '%a %U %F' .ssh .ssh/authorized_keys && sha256sum .ssh/authorized_keys";
  const untouched = "stat -c '%a %U %s %y' /etc/shadow /etc/monoclaw; ls -A /etc/monoclaw";
  const [before, root] = [await stack.root(state), await stack.root(untouched)];
  await stack.root("cp -a /home/ops/.ssh /root/attack-ssh");
  try {
    await stack.root(
      "setpriv --reuid=ops --regid=ops --clear-groups bash -eu -",
      `cd /home/ops\n${plants[way] ?? ""}\n`,
    );
    // Past SSH: there may be no key left to come in by.
    const applied = await stack.tryRoot("timeout 60 monoclaw-config apply", envelopes.get("users"));
    assert.equal(applied.exitCode, 0, applied.stdout + applied.stderr);
    assert.equal(await stack.root(state), before);
    assert.equal(await stack.root(untouched), root);
    assert.equal((await stack.ssh("true")).exitCode, 0);
  } finally {
    await stack.root("rm -rf /home/ops/{.ssh,keys,other}; mv /root/attack-ssh /home/ops/.ssh");
  }
});

const thief = "echo thief >>/home/ops/.ssh/authorized_keys";
interface Return {
  /** What he got by other means, as root. */
  readonly root?: string;
  /** What he plants, as himself. */
  readonly script?: string;
  /** A command of root's that succeeds once it is there. */
  readonly isThere?: string;
  /** What would start it anew, as root. */
  readonly again?: string;
}

const atJobs = "/var/spool/cron/atjobs";
const dropIn = "/run/systemd/system/user@.service.d";
/** What puts his key back after it was taken away. */
const returns: Readonly<Record<string, Return>> = {
  "a process that waits": {
    script: `setsid bash -c 'while :; do ${thief}; sleep 0.1; done' >/dev/null 2>&1 </dev/null &`,
  },
  "processes that start each other": {
    script: `cat >again <<'END'
#!/bin/bash
trap '' TERM HUP INT
while :; do
  ${thief}
  (($(pgrep -c -x again) >= 3)) || setsid ./again >/dev/null 2>&1 </dev/null &
  sleep 0.05
done
END
chmod 755 again; setsid ./again >/dev/null 2>&1 </dev/null &`,
  },
  "a cron job": { script: `echo '* * * * * ${thief}' | crontab -` },
  // The lab's images have no at(1). Where it is missing, the job lies there as at would leave it, and nothing is there to run it.
  "an at job": {
    root: `mkdir -p ${atJobs}; command -v at >/dev/null || install -m 700 -o ops /dev/stdin ${atJobs}/a0000101c3f0a1 <<<'${thief}'`,
    script: `! command -v at >/dev/null || at now + 1 minute <<<'${thief}'`,
    isThere: `find ${atJobs} -type f -user ops | grep -q .`,
  },
  "a unit of his own systemd, which lingers": {
    // An image without libpam-systemd, as the lab's, starts none for a user: nobody says where its sockets belong.
    root: `mkdir -p /var/lib/systemd/linger ${dropIn}; touch /var/lib/systemd/linger/ops
      printf '[Service]\\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\\n' >${dropIn}/e2e.conf
      systemctl daemon-reload; systemctl start user@$(id -u ops)`,
    script: `mkdir -p .config/systemd/user
      printf '%s\\n' '[Service]' "ExecStart=/bin/bash -c 'while :; do ${thief}; sleep 0.1; done'" Restart=always \\
        '[Install]' WantedBy=default.target >.config/systemd/user/thief.service
      export XDG_RUNTIME_DIR=/run/user/$(id -u); systemctl --user daemon-reload; systemctl --user enable --now thief`,
    isThere: "grep -q thief.service /proc/$(pgrep -n -u ops -f 'echo [t]hief')/cgroup",
    again: "systemctl start user@$(id -u ops); sleep 1",
  },
  "a service that lingers": { root: "mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/ops" },
  "a start file of his shell": { script: `echo '${thief}' | tee .bashrc >.profile` },
  "a start file of sshd": { script: `echo '${thief}' >.ssh/rc` },
};

attack("puts his key back after it was taken away", "primary user", Object.keys(returns), async (stack, way) => {
  const state = "sha256sum /home/ops/.ssh/authorized_keys";
  const before = await stack.root(state);
  const { script = "true", root = "true", isThere = "true", again = "true" } = returns[way] ?? {};
  try {
    await stack.root(root);
    const planted = await stack.ssh("bash -s", { input: `cd\n${script}\n` });
    await until(`it is there: ${planted.all}`, 10, async () => (await stack.tryRoot(isThere)).exitCode === 0);
    const session = stack.ssh("sleep 60");
    const asked = await stack.ssh("sudo -n monoclaw-config evict");
    assert.match(asked.stdout, /^(all that this user runs ends now.*)?$/);
    assert.notEqual((await session).exitCode, 0, "another session of his went on");
    await until("it is over", 30, async () => (await stack.tryRoot("pgrep -f vps-scripts/evict")).exitCode !== 0);
    assert.equal(
      await stack.root(`pgrep -u ops -a || :; crontab -l -u ops 2>/dev/null || :; ls -A /var/lib/systemd/linger
        [[ ! -d ${atJobs} ]] || find ${atJobs} -type f -user ops`),
      "",
    );
    assert.equal((await stack.ssh("true")).exitCode, 0);
    assert.equal((await stack.ssh("bash -lc true")).exitCode, 0);
    await stack.root(again);
    assert.equal(await stack.root(state), before);
  } finally {
    await stack.root(`systemctl stop "user@$(id -u ops)"; rm -rf ${dropIn}; systemctl daemon-reload; pkill -KILL -u ops
      rm -rf /home/ops/{evicted.*,again,.config,.ssh/rc} /var/lib/systemd/linger/ops
      command -v at >/dev/null || rm -rf ${atJobs}`);
  }
});
