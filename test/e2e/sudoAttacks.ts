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

/** Ways to run a command that only its caller should feel. */
const attacks = {
  environment: (command: string) => `env ${environment} /usr/bin/${command}`,
  limits: (command: string) => `(ulimit -f 10; ulimit -n 64; ulimit -s 1024; ${command})`,
  deletedFolder: (command: string) => `(mkdir ${place}/gone; cd ${place}/gone; rmdir ${place}/gone; ${command})`,
  linkedFolder: (command: string) => `(ln -sfn /etc ${place}/link; cd ${place}/link; ${command})`,
  closedStreams: (command: string) => `(${command} <&- 2>&-)`,
};

const sudo = (words: string) => `sudo -n ${words}`;

/** What no row allows. */
export const denied: readonly string[] = [
  ...["-R / monoclaw-status", `-R ${place} monoclaw-status`, "-D /root monoclaw-status", "-u openclaw monoclaw-status"],
  ...[
    "-u '#-1' monoclaw-status",
    "-u '#4294967295' id",
    "-g root monoclaw-status",
    "-u openclaw -g root id",
    "-T 1 id",
  ],
  ...["--preserve-env monoclaw-status", "-E monoclaw-status", "--preserve-env=HOME monoclaw-status"],
  ...["BASH_ENV", "LD_PRELOAD", "PAGER", "SYSTEMD_PAGER", "PYTHONPATH", "APT_CONFIG", "PATH"].map(
    (name) => `${name}=${place}/payload monoclaw-status`,
  ),
  ...["SYSTEMD_PAGER=sh systemctl status openclaw", "LESSSECURE=0 systemctl status openclaw"],
  ...["-s", "-i", "-s id", "-i id", "-e /etc/shadow", "-e /etc/sudoers", "-- sh", "sh -c id", "su", "visudo", "-A id"],
  ...[
    `${place}/payload`,
    `${place}/monoclaw-status`,
    `/usr/local/bin/../../..${place}/payload`,
    "./payload",
    "/payload",
  ],
  ...["/usr/local/vps-scripts/receiver.sh recover", "/usr/local/vps-scripts/deploy-entry", "monoclaw-config\\ show"],
  ...["edit openclaw", "start openclaw evil", "start evil openclaw", "status openclaw ssh", "--user status openclaw"],
  ...["status openclaw -l", "status openclaw --full", "-H localhost status openclaw", "-M .host status openclaw"],
]
  .map((words) => (/^(edit|start|status|--user|-H|-M)\b/.test(words) ? sudo(`systemctl ${words}`) : sudo(words)))
  .concat(
    ["restart openclaw --now", "stop openclaw ssh", "start openclaw.service", "start 'open*'"].map((words) =>
      sudo(`systemctl ${words}`),
    ),
    [
      "start ../openclaw",
      `start ${place}/openclaw`,
      `link ${place}/evil.service`,
      "start 'openclaw '",
      "start",
      "",
    ].map((words) => sudo(`systemctl ${words}`)),
    [
      "daemon-reload",
      "stop openclaw\\\nssh",
      "restart $'openclaw\\nssh'",
      "'status openclaw' ssh",
      "kill openclaw",
    ].map((words) => sudo(`/bin/systemctl ${words}`)),
    [
      ...[
        "serve /etc/shadow",
        "serve --bg --https=443 /",
        "serve --bg --https=443 /etc",
        "serve --bg /etc/shadow",
        "serve",
      ],
      ...[
        "serve --bg http://127.0.0.1:18789 /etc",
        "serve --bg http://127.0.0.1:18789/",
        "serve --bg http://169.254.169.254",
      ],
      ...[
        "serve --bg http://127.0.0.1:1878[9]",
        "serve --bg http://127x0.0.1:18789",
        "serve --bg unix:/run/docker.sock",
      ],
      ...[
        "serve status --json",
        "serve reset /",
        "serve --bg --https=443 off on",
        "serve --https=443 --bg off",
        "serve off",
      ],
      ...[
        "status --web",
        "status --listen=0.0.0.0:80",
        "funnel 443",
        "up --ssh",
        "set --operator=ops",
        "down",
        "file cp /etc/shadow x:",
      ],
    ].map((words) => sudo(`tailscale ${words}`)),
  );

const long = '"$(printf %0100000d 7)"';
const many = '$(printf "x%.0s " {1..5000})';

/** Arguments that the commands don't have, through rows that allow any. */
export const refused: readonly string[] = commands
  .flatMap((command) =>
    [
      `'; ${place}/payload'`,
      quote(`$(${place}/payload)`),
      quote(`\`${place}/payload\``),
      `$'show\\n${place}/payload'`,
      quote(`a[$(${place}/payload)]`),
      "-- sh",
      "''",
      "' '",
      "'*'",
      "../../bin/sh",
      "/etc/shadow",
      "--property=User=root",
      `--file=${place}/payload`,
      "--root=/tmp",
      `$'${binary.replaceAll("\\x27", "")}'`,
      long,
      many,
    ].map((words) => `sudo -n ${command} ${words}`),
  )
  .concat(
    [
      ...["-n -1", "-n 1e3", `-n ${quote(`x[$(${place}/payload)]`)}`, "-n", "-n 9999999", "--since", "--since ''"],
      ...[
        `--since ${quote(`$(${place}/payload)`)}`,
        "--since '--file=/etc/shadow'",
        "--since @x",
        "-o export",
        "-D /tmp",
        "-u ssh",
      ],
    ].map((words) => `sudo -n monoclaw-logs ${words}`),
    ["apply x", "show /etc/shadow", "show-token x", "revert ssh", "recover", "regenerate-token --force"].map(
      (words) => `sudo -n monoclaw-config ${words}`,
    ),
    ["devices /etc/shadow", "approve", `approve ${quote(`$(${place}/payload)`)}`, "forget --all", "forget ../x"].map(
      (words) => `sudo -n monoclaw-config ${words}`,
    ),
    [`confirm ssh ${"0".repeat(64)}`, `await ssh ${"0".repeat(64)}`, "leave", "leave-soon"].map(
      (words) => `sudo -n monoclaw-config ${words}`,
    ),
    ["status x", "serve /etc/shadow", "serve reset x", "'serve' reset --bg", "up"].map(
      (words) => `sudo -n monoclaw-tailscale ${words}`,
    ),
    ["monoclaw-status --help --help x", "monoclaw-update --check x"].map((words) => `sudo -n ${words}`),
  );

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
export const harmless: readonly string[] = [
  ...looking,
  ...looking.map(attacks.environment),
  ...looking.map(attacks.limits),
  ...looking.map(attacks.deletedFolder),
  ...looking.map(attacks.linkedFolder),
  ...looking.map(attacks.closedStreams),
  sudo("systemctl 'start openclaw'"), // sudo compares the words joined, so this is a row's; to systemctl it's one unknown verb
  attacks.environment(sudo("monoclaw-update --check")),
  attacks.environment(sudo("monoclaw-config devices")),
  attacks.limits(sudo("monoclaw-update --check")),
  `(ln -sfn /usr/local/bin/monoclaw-status ${place}/monoclaw-logs; PATH=${place}:$PATH ${sudo("monoclaw-status")})`,
  `(ln -sfn /usr/local/vps-scripts ${place}/scripts; cd ${place}/scripts; ${sudo("monoclaw-status")})`,
];

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
