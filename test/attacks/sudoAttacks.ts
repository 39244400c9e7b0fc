import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quote } from "../../lib/shell";

/** Folder of the attacker's things on the host. */
export const place = "/tmp/monoclaw-attack";

/** The rows, as the sudoers file has them; those of /bin stand there for /usr/bin too. */
export const allRows = [
  ...["config", "status", "logs", "security", "update", "tailscale"].map((name) => `/usr/local/bin/monoclaw-${name}`),
  ...["restart", "start", "stop", "status"].map((verb) => `/bin/systemctl ${verb} openclaw`),
  "/usr/bin/tailscale status",
  "/usr/bin/tailscale serve status",
  "/usr/bin/tailscale serve reset",
  "/usr/bin/tailscale serve --bg http://127.0.0.1:18789",
  "/usr/bin/tailscale serve --bg --https=443 off",
];

const commands = ["config", "status", "logs", "security", "update", "tailscale"].map((name) => `monoclaw-${name}`);

/** Bytes that are no text, without a NUL, which no argument can hold. */
const binary = Array.from({ length: 255 }, (_, at) => `\\x${(at + 1).toString(16).padStart(2, "0")}`).join("");

/** Leaves a mark with the user's name that ran it: as root, the attack has won. */
const mark = "#!/bin/sh\n: >/tmp/monoclaw-mark.$(/usr/bin/id -u).$$\n";

/** A tar archive of the attacker's files: the mark under every name that a script might call or load. */
export function payload(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "monoclaw-payload-"));
  try {
    const programs = ["payload", "monoclaw-status", "systemctl", "journalctl", "timeout", "sed", "less", "pager", "id"];
    for (const name of programs) {
      writeFileSync(join(folder, name), mark, { mode: 0o755 });
    }
    const python = "import os\nopen(f'/tmp/monoclaw-mark.{os.getuid()}.{os.getpid()}', 'w')\n";
    for (const name of ["json.py", "sitecustomize.py", "usercustomize.py"]) {
      writeFileSync(join(folder, name), python);
    }
    writeFileSync(join(folder, ".bashrc"), mark);
    writeFileSync(
      join(folder, "module.js"),
      "require('fs').writeFileSync('/tmp/monoclaw-mark.' + process.getuid() + '.js', '')\n",
    );
    writeFileSync(
      join(folder, "apt.conf"),
      `APT::Update::Pre-Invoke {"${place}/payload";};\nDPkg::Pre-Invoke {"${place}/payload";};\n`,
    );
    return execFileSync("tar", ["-C", folder, "-c", "."]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Variables with which a caller has become root through careless scripts, all at once. */
const environment = [
  ...[
    "BASH_ENV",
    "ENV",
    "PAGER",
    "SYSTEMD_PAGER",
    "MANPAGER",
    "EDITOR",
    "VISUAL",
    "SUDO_EDITOR",
    "SYSTEMD_EDITOR",
    "SUDO_ASKPASS",
  ],
  ...["PS4", "PROMPT_COMMAND", "LD_PRELOAD", "LD_AUDIT", "PERL5DB", "PYTHONSTARTUP", "BROWSER", "SHELL"],
]
  .map((name) => `${name}=${place}/payload`)
  .concat([
    `PATH=${place}:/usr/bin:/bin`,
    `HOME=${place}`,
    `LD_LIBRARY_PATH=${place}`,
    `PYTHONPATH=${place}`,
    `PERL5LIB=${place}`,
    `NODE_PATH=${place}`,
    `NODE_OPTIONS=--require=${place}/module.js`,
    `APT_CONFIG=${place}/apt.conf`,
    `LESSOPEN='|${place}/payload %s'`,
    "LESSSECURE=0 SYSTEMD_PAGERSECURE=0 SYSTEMD_LESS=",
    `XDG_CONFIG_HOME=${place} XDG_RUNTIME_DIR=${place} XDG_DATA_HOME=${place}`,
    `GCONV_PATH=${place} LOCPATH=${place} NLSPATH=${place}/%N TERMINFO=${place} TZ=${place}/payload`,
    "LC_ALL=../../../tmp LANG=/tmp LANGUAGE=/tmp IFS=/ CDPATH=/tmp POSIXLY_CORRECT=1 BASHOPTS=extdebug",
    `DBUS_SYSTEM_BUS_ADDRESS=unix:path=${place}/bus SYSTEMD_UNIT_PATH=${place} SYSTEMD_BUS_TIMEOUT=1`,
    `'BASH_FUNC_install%%=() { ${place}/payload; }' 'BASH_FUNC_printf%%=() { ${place}/payload; }'`,
  ])
  .join(" ");

const sudo = (words: string) => `sudo -n ${words}`;

/** What no row allows, by what it is after. */
export const denied: Readonly<Record<string, readonly string[]>> = {
  "another user, group, folder or root": [
    ...[
      "-R / monoclaw-status",
      `-R ${place} monoclaw-status`,
      "-D /root monoclaw-status",
      "-u openclaw monoclaw-status",
    ],
    ...["-u '#-1' monoclaw-status", "-u '#4294967295' id", "-g root monoclaw-status", "-u openclaw -g root id"],
    "-T 1 id",
  ].map(sudo),
  "variables through sudo": [
    ...["--preserve-env monoclaw-status", "-E monoclaw-status", "--preserve-env=HOME monoclaw-status"],
    ...["BASH_ENV", "LD_PRELOAD", "PAGER", "SYSTEMD_PAGER", "PYTHONPATH", "APT_CONFIG", "PATH"].map(
      (name) => `${name}=${place}/payload monoclaw-status`,
    ),
    ...["SYSTEMD_PAGER=sh systemctl status openclaw", "LESSSECURE=0 systemctl status openclaw"],
  ].map(sudo),
  "a shell or an editor": [
    ...[
      "-s",
      "-i",
      "-s id",
      "-i id",
      "-e /etc/shadow",
      "-e /etc/sudoers",
      "-- sh",
      "sh -c id",
      "su",
      "visudo",
      "-A id",
    ],
  ].map(sudo),
  "a program of his own": [
    ...[`${place}/payload`, `${place}/monoclaw-status`, `/usr/local/bin/../../..${place}/payload`],
    ...["./payload", "/payload"],
  ].map(sudo),
  "root's programs behind the commands": [
    ...["/usr/local/vps-scripts/receiver.sh recover", "/usr/local/vps-scripts/deploy-entry", "monoclaw-config\\ show"],
  ].map(sudo),
  "another unit": [
    ...["edit openclaw", "start openclaw evil", "start evil openclaw", "status openclaw ssh", "stop openclaw ssh"],
    ...["start openclaw.service", "start 'open*'", "start ../openclaw", `start ${place}/openclaw`, "start 'openclaw '"],
    ...["stop openclaw\\\nssh", "restart $'openclaw\\nssh'", "'status openclaw' ssh"],
  ].map((words) => sudo(`systemctl ${words}`)),
  "another verb or option of systemctl": [
    ...["--user status openclaw", "status openclaw -l", "status openclaw --full", "-H localhost status openclaw"],
    ...["-M .host status openclaw", "restart openclaw --now", `link ${place}/evil.service`, "start", ""],
    ...["daemon-reload", "kill openclaw"],
  ].flatMap((words) => [sudo(`systemctl ${words}`), sudo(`/bin/systemctl ${words}`)]),
  "files on the tailnet": [
    ...["serve /etc/shadow", "serve --bg --https=443 /", "serve --bg --https=443 /etc", "serve --bg /etc/shadow"],
    ...["serve --bg http://127.0.0.1:18789 /etc", "file cp /etc/shadow x:"],
  ].map((words) => sudo(`tailscale ${words}`)),
  "another target on the tailnet": [
    ...["serve", "serve --bg http://127.0.0.1:18789/", "serve --bg http://169.254.169.254"],
    ...["serve --bg http://127.0.0.1:1878[9]", "serve --bg http://127x0.0.1:18789", "serve --bg unix:/run/docker.sock"],
  ].map((words) => sudo(`tailscale ${words}`)),
  "another verb or option of tailscale": [
    ...["serve status --json", "serve reset /", "serve --bg --https=443 off on", "serve --https=443 --bg off"],
    ...["serve off", "status --web", "status --listen=0.0.0.0:80", "funnel 443", "up --ssh", "set --operator=ops"],
    "down",
  ].map((words) => sudo(`tailscale ${words}`)),
};

const toEach = (arguments_: readonly string[]) =>
  commands.flatMap((command) => arguments_.map((words) => `sudo -n ${command} ${words}`));
const to = (command: string, arguments_: readonly string[]) => arguments_.map((words) => `sudo -n ${command} ${words}`);

/** Arguments that the commands don't have, through rows that allow any. */
export const refused: Readonly<Record<string, readonly string[]>> = {
  "text that a careless shell would run": [
    ...toEach([
      ...[`'; ${place}/payload'`, quote(`$(${place}/payload)`), quote(`\`${place}/payload\``)],
      ...[`$'show\\n${place}/payload'`, quote(`a[$(${place}/payload)]`)],
    ]),
    ...to("monoclaw-logs", [`-n ${quote(`x[$(${place}/payload)]`)}`, `--since ${quote(`$(${place}/payload)`)}`]),
    ...to("monoclaw-config", [`approve ${quote(`$(${place}/payload)`)}`]),
  ],
  "options of what the commands call": [
    ...toEach(["-- sh", "--property=User=root", `--file=${place}/payload`, "--root=/tmp"]),
    ...to("monoclaw-logs", ["--since '--file=/etc/shadow'", "-o export", "-D /tmp", "-u ssh"]),
    ...to("monoclaw-config", ["regenerate-token --force", "forget --all"]),
    ...to("monoclaw-tailscale", ["'serve' reset --bg"]),
  ],
  "files and paths": [
    ...toEach(["../../bin/sh", "/etc/shadow"]),
    ...to("monoclaw-config", ["show /etc/shadow", "devices /etc/shadow", "forget ../x"]),
    ...to("monoclaw-tailscale", ["serve /etc/shadow"]),
  ],
  "nothing, blanks and patterns": [
    ...toEach(["''", "' '", "'*'"]),
    ...to("monoclaw-logs", ["--since", "--since ''", "-n"]),
  ],
  "bytes that are no text": toEach([`$'${binary.replaceAll("\\x27", "")}'`]),
  "more than anybody reads": toEach(['"$(printf %0100000d 7)"', '$(printf "x%.0s " {1..5000})']),
  "numbers and times that are none": to("monoclaw-logs", ["-n -1", "-n 1e3", "-n 9999999", "--since @x"]),
  "words that belong to an envelope": to("monoclaw-config", [
    ...[`confirm ssh ${"0".repeat(64)}`, `await ssh ${"0".repeat(64)}`, "leave", "leave-soon", "revert ssh", "recover"],
  ]),
  "an argument too many": [
    ...to("monoclaw-config", ["apply x", "show-token x", "approve"]),
    ...to("monoclaw-tailscale", ["status x", "serve reset x", "up"]),
    ...to("monoclaw-status", ["--help --help x"]),
    ...to("monoclaw-update", ["--check x"]),
  ],
};

const looking = [
  ...[
    "monoclaw-status",
    "monoclaw-logs -n 20",
    "monoclaw-logs --errors -n 5",
    "monoclaw-config show",
    "monoclaw-tailscale status",
  ],
  ...["systemctl status openclaw", "systemctl start openclaw"],
].map(sudo);

/** What the rows allow, called in ways that should make no difference. */
export const harmless: Readonly<Record<string, readonly string[]>> = {
  // On a terminal a pager may open, and somebody types into it.
  "as it is meant": [
    ...looking,
    sudo("systemctl 'start openclaw'"), // sudo compares the words joined, so this is a row's; to systemctl it's one unknown verb
  ],
  "with variables of his own": [...looking, ...["monoclaw-update --check", "monoclaw-config devices"].map(sudo)].map(
    (command) => `env ${environment} /usr/bin/${command}`,
  ),
  "with limits of his own": [...looking, sudo("monoclaw-update --check")].map(
    (command) => `(ulimit -f 10; ulimit -n 64; ulimit -s 1024; ${command})`,
  ),
  "in a folder that is gone": looking.map(
    (command) => `(mkdir ${place}/gone; cd ${place}/gone; rmdir ${place}/gone; ${command})`,
  ),
  "in a folder that is a link": [
    ...looking.map((command) => `(ln -sfn /etc ${place}/link; cd ${place}/link; ${command})`),
    `(ln -sfn /usr/local/bin/monoclaw-status ${place}/monoclaw-logs; PATH=${place}:$PATH ${sudo("monoclaw-status")})`,
    `(ln -sfn /usr/local/vps-scripts ${place}/scripts; cd ${place}/scripts; ${sudo("monoclaw-status")})`,
  ],
  "with closed streams": looking.map((command) => `(${command} <&- 2>&-)`),
};

/**
 * A script that runs each command line and writes down its end. With a terminal the commands have it, so that pagers
 * open; without one their output is kept.
 */
export function battery(lines: readonly string[], terminal: boolean): string {
  const run = terminal ? '"$@"' : '"$@" </dev/null >out 2>&1';
  const each = lines.map((line) => `attack ${quote(line)}`);
  return `cd ${place}; rm -f ends; touch ends out
attack() {
  set -- timeout --foreground 60 bash -c "cd ${place}; $1"
  ${run}
  printf '\\036%s\\n%s\\n' "$?" "$(head -c 400 out | tr -d '\\0\\036')" >>${place}/ends
}
${each.join("\n")}
`;
}
