import assert from "node:assert/strict";
import type { TestStack } from "../e2e/stack";
import { attacksOf } from "./attempts";

// What root runs of OpenClaw's code, as the gateway's user: the gateway may have planted something for it.
const attack = attacksOf("helpers");

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
            words = open(f"/proc/{pid}/cmdline").read().split("\\0")
            wider = {key: value for key, value in box(pid).items() if value != own[key]}
            seen[pid] = {"program": os.path.basename(" ".join(words[1:2])), "cache": cache, "box": wider}
        except (OSError, StopIteration, KeyError):
            pass
print(json.dumps(list(seen.values())))
`;

interface Seen {
  readonly program: string;
  readonly cache: readonly string[];
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
    if (command !== "monoclaw-config show") assert.ok(helpers.length > 0, "no helper was seen");
    for (const { program, cache, box } of helpers) {
      // A place of root's that the box alone is shown.
      assert.ok(cache.length === 0 || cache[0] === "NODE_COMPILE_CACHE=/run/openclaw-code", program);
      // Root's own, which loads nothing of OpenClaw's and reads one file: it needs no box.
      if (program !== "openclaw-config.mjs") assert.deepEqual(box, {}, program);
    }
  },
);
