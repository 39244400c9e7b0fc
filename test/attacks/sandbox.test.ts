import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { host } from "../e2e/hostTest";
import type { TestStack } from "../e2e/stack";
import { attacks } from "./attempts";

// A gateway that was taken over tries to leave its box, or to get what runs in a wider one to run its code.
const attack = attacks();
const hostTest = host("ssh");

/** Each thing that sandboxProbe.py tries, by how it ends: "ok" or an error's name. */
type Tried = Readonly<Record<string, string>>;

/** Tries everything as the service, and as users without its sandbox. */
async function tryAll(stack: TestStack): Promise<{ service: Tried; root: Tried; user: Tried }> {
  const probe = "/usr/local/lib/sandbox-probe.py";
  await stack.root(`cat >${probe}; chmod 644 ${probe}`, readFileSync(join(__dirname, "sandboxProbe.py"), "utf8"));
  try {
    const said = await stack.root(`set -euo pipefail
      touch /tmp/sandbox-probe-mark
      install -m 4755 /usr/bin/id /usr/local/lib/sandbox-probe-id
      systemd-run --quiet --unit=sandbox-probe-other --uid=nobody sleep 600
      systemd-run --quiet --service-type=exec --unit=sandbox-probe-twin --uid=openclaw sleep 600
      ip address add fd00:ec2::254/128 dev lo
      systemd-run --quiet --unit=sandbox-probe-http python3 -m http.server --bind fd00:ec2::254 80
      twin=$(systemctl show sandbox-probe-twin -p MainPID --value)
      stack=$(awk '$6 == "[stack]" {sub(/.*-/, "", $1); print $1}' /proc/$twin/maps)
      others="$(systemctl show sandbox-probe-other -p MainPID --value) $twin $stack"
      # The service's own unit with another program: the same directives to the letter.
      sed -E "s|^ExecStart=.*|ExecStart=/usr/bin/python3 ${probe} $others|; s|^Restart=.*|Type=oneshot\\nStandardOutput=truncate:/run/sandbox-probe.json|" \\
        /etc/systemd/system/openclaw.service >/run/systemd/system/sandbox-probe.service
      systemctl daemon-reload
      for second in {1..20}; do
        ss -Hltn 'sport = :80' | grep -q fd00 && break
        sleep 0.2
      done
      systemctl start sandbox-probe
      cat /run/sandbox-probe.json
      systemd-run --quiet --pipe --wait --collect -p PrivateMounts=yes python3 ${probe} $others
      systemd-run --quiet --pipe --wait --collect --uid=openclaw python3 ${probe} $others`);
    const [service, root, user] = said
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Tried);
    assert.ok(service !== undefined && root !== undefined && user !== undefined, said);
    return { service, root, user };
  } finally {
    await stack.root(`systemctl stop sandbox-probe-other sandbox-probe-twin sandbox-probe-http || :
      rm -f ${probe} /usr/local/lib/sandbox-probe-id /tmp/sandbox-probe-mark /run/sandbox-probe.json /run/systemd/system/sandbox-probe.service
      ip address del fd00:ec2::254/128 dev lo; systemctl daemon-reload; systemctl reset-failed`);
  }
}

const allowed: Tried = {
  "write its folder": "ok",
  "write /tmp": "ok",
  "reach the gateway": "ok",
  // systemd's filter is asked when a port is chosen, not when the kernel chooses one; ufw lets nobody in there.
  "listen on a port that the kernel chooses": "ok",
};

let results: ReturnType<typeof tryAll> | undefined;

/** How what the box refuses ends. */
const refused: Tried = {
  "write /etc": "EROFS",
  "write /opt/openclaw": "EROFS",
  "write /run/lock, which is open to all": "EROFS",
  "list /home": "EACCES",
  "list /root": "EACCES",
  "list /etc/monoclaw": "EACCES",
  "list /var/lib/monoclaw": "EACCES",
  "read /etc/shadow": "EACCES",
  "see the host's /tmp": "ENOENT",
  "run a program of its folder": "EACCES",
  "run a program of /tmp": "EACCES",
  "run a program of /dev/shm": "EACCES",
  "run a program in memory": "EPERM",
  "run as root by setuid": "EPERM",
  "ask for metadata": "EHOSTUNREACH", // by the firewall's rule, which comes first
  "ask for metadata over IPv6": "EACCES",
  "send to another link-local address": "EPERM",
  "reach the host's own sshd": "ECONNREFUSED",
  "set up io_uring": "EPERM",
  "listen on another port": "EPERM",
  "listen on another port over IPv6": "EPERM",
  "open a raw socket": "EAFNOSUPPORT",
  "see another user's process": "ENOENT",
  "see the kernel's numbers": "ENOENT",
  "signal another user's process": "EPERM",
  // Of its own user: in a user namespace of its own it doesn't even see one that is outside.
  "write another process's memory by its file": "ENOENT",
  "write another process's memory by a call": "EPERM",
  "set the host's name": "EPERM",
  "be traced": "EPERM",
  mount: "EPERM",
  "make a user namespace": "EPERM",
  "change its personality": "EPERM",
  "open a device": "ENOENT",
};

attack("leaves its box", "gateway", Object.keys(refused), async (stack, way) => {
  const { service, root } = await (results ??= tryAll(stack));
  assert.equal(service[way], refused[way]);
  assert.equal(root[way], "ok", "root can't do it on this host either, so this shows nothing");
});

hostTest(
  "Systemd Service Hardening: what the service needs it may do, and nothing was tried that isn't told of",
  async (stack) => {
    const { service } = await (results ??= tryAll(stack));
    assert.deepEqual(service, { ...refused, ...allowed });
  },
);

/** What the permissions of files, the kernel and the firewall refuse to the user outside of any box. */
const refusedToTheUser: Tried = {
  "write /etc": "EACCES",
  "write /opt/openclaw": "EACCES",
  "list /root": "EACCES",
  "list /etc/monoclaw": "EACCES",
  "list /var/lib/monoclaw": "EACCES",
  "read /etc/shadow": "EACCES",
  "signal another user's process": "EPERM",
  mount: "EPERM",
  // By the firewall's rule.
  "ask for metadata": "EHOSTUNREACH",
  "ask for metadata over IPv6": "EACCES",
};

attack("has left its box, and goes on as its user", "gateway", Object.keys(refusedToTheUser), async (stack, way) => {
  assert.equal((await (results ??= tryAll(stack))).user[way], refusedToTheUser[way]);
});

/** The helpers that ran while a command did: what each was told, and the box that it ran in. */
const watcher = `
import json, os, pwd, subprocess, sys
user = pwd.getpwnam("openclaw").pw_uid
gateway = subprocess.run(["systemctl", "show", "openclaw", "-p", "MainPID", "--value"], stdout=subprocess.PIPE, text=True).stdout.strip()
def box(pid):
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status").read().splitlines())
    mounts = [line.split() for line in open(f"/proc/{pid}/mountinfo")]
    return {
        "root": next(fields[5].split(",")[0] for fields in mounts if fields[4] == "/"),
        "noexec": any(fields[4] == "/var/lib/openclaw" and "noexec" in fields[5] for fields in mounts),
        "uids": open(f"/proc/{pid}/uid_map").read().split(),
        "filters": int(status["Seccomp_filters"]),
        "capabilities": status["CapBnd"].strip(),
    }
own = box(gateway)
before = set(os.listdir("/proc"))
run = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
seen = {}
while run.poll() is None:
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or pid in before:
            continue
        try:
            if os.stat(f"/proc/{pid}").st_uid != user or "node" not in os.readlink(f"/proc/{pid}/exe"):
                continue
            if "/openclaw.service" in open(f"/proc/{pid}/cgroup").read():
                continue  # the gateway's own
            variables = open(f"/proc/{pid}/environ").read().split("\\0")
            cache = [each for each in variables if each.startswith("NODE_COMPILE_CACHE=")]
            line = open(f"/proc/{pid}/cmdline").read()
            if not line:
                continue  # the kernel is still putting its arguments in place, or it has ended
            words = line.split("\\0")
            wider = {key: value for key, value in box(pid).items() if value != own[key]}
            program = next((word for word in words[1:] if not word.startswith("-")), "")
            debugger = "--disable-sigusr1" not in words and "NODE_OPTIONS=--disable-sigusr1" not in variables
            seen[pid] = {"program": os.path.basename(program), "cache": cache, "debugger": debugger, "box": wider}
        except (OSError, StopIteration, KeyError):
            pass
print(json.dumps(list(seen.values())))
`;

interface Seen {
  readonly program: string;
  readonly cache: readonly string[];
  /** Whether SIGUSR1 would open one. */
  readonly debugger: boolean;
  readonly box: Readonly<Record<string, unknown>>;
}

async function watched(stack: TestStack, command: string): Promise<readonly Seen[]> {
  return JSON.parse(await stack.root(`python3 - ${command}`, watcher)) as Seen[];
}

attack(
  "leaves compiled code for a helper to run, or meets one outside of its own box",
  "gateway",
  ["monoclaw-config devices", "monoclaw-security", "monoclaw-config show"],
  async (stack, command) => {
    const folder = await stack.root("stat -c '%a %U' /var/cache/monoclaw 2>/dev/null || echo none");
    assert.match(folder, /^(700 root|none)$/m);
    // OpenClaw's own audit is kept for a day.
    await stack.root("rm -f /var/lib/monoclaw/openclaw-audit");
    const helpers = await watched(stack, command);
    // That one reads the file as root, and runs nothing of OpenClaw's.
    assert.equal(helpers.length > 0, command !== "monoclaw-config show", `${String(helpers.length)} helpers were seen`);
    for (const { program, cache, debugger: opens, box } of helpers) {
      assert.ok(!opens, `${program} would open a debugger`);
      // A place of root's that the box alone is shown.
      assert.ok(cache.length === 0 || cache[0] === "NODE_COMPILE_CACHE=/run/openclaw-code", program);
      // Root's own, which loads nothing of OpenClaw's and reads one file: it needs no box.
      if (program !== "openclaw-config.mjs") assert.deepEqual(box, {}, program);
    }
  },
);
