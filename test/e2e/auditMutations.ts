import { sshRules } from "../../components/layers/ssh";

/** One thing broken by hand, as root on the host. */
export interface Mutation {
  /** Shell lines that break it. */
  readonly break: string;
  /** The rows of `monoclaw-security` that must say so, and no other. */
  readonly rows: readonly string[];
  /** @default "FAIL" */
  readonly status?: "WARN";
  /** Shell lines that put it right, where `monoclaw-config repair` doesn't. */
  readonly byHand?: string;
  /** Why repair doesn't mend it, and what does. Set exactly if `byHand` is. */
  readonly because?: string;
}

const sshd = "/etc/ssh/sshd_config.d";
const json = "/var/lib/openclaw/.openclaw/openclaw.json";
const unit = "/etc/systemd/system/openclaw.service";

/** A key pair that no layer made. */
const someKey = "[[ -e /etc/ssh/e2e_key ]] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/e2e_key";

/** Lines of a drop-in that undo a directive, by what `sshd -T` calls it. */
const undone: ReadonlyMap<string, string> = new Map([
  ["allowusers", "AllowUsers root"],
  ["port", "Port 2222"],
  ["hostkey", "HostKey /etc/ssh/e2e_key"],
  ...sshRules
    .flatMap(({ rules }) => rules)
    .flatMap(({ directive, key = directive.toLowerCase(), undone: lines }) =>
      lines === undefined ? [] : [[key, lines] as const],
    ),
]);
/** Of these sshd takes the last value, so what comes first is no mutation. */
const lastCounts = ["maxstartups", "persourcenetblocksize"];
/** What Debian's own default is as well. */
const asDebian = [
  ...["pubkeyauthentication", "kbdinteractiveauthentication", "hostbasedauthentication", "permitemptypasswords"],
  ...["authorizedkeyscommand", "trustedusercakeys", "permituserenvironment", "permittunnel"],
  ...["allowtcpforwarding", "gatewayports"],
];
const sshRows = [...undone.keys()].map((key) => `ssh ${key}`);

/** Which layer a row looks after, by what its name begins with; the first that fits. */
const owners: readonly (readonly [start: string, layer: string])[] = [
  [`permissions ${sshd}/`, "ssh"],
  ["permissions /etc/fail2ban/", "fail2ban"],
  ["permissions /etc/sudoers.d/", "users"],
  ["permissions /home/", "users"],
  ["permissions /etc/apt/", "updates"],
  ["permissions /etc/monoclaw/auth-token", "gateway-token"],
  ["permissions /etc/monoclaw/expected", "management"],
  ["permissions /usr/local/vps-scripts", "management"],
  ["permissions /var/lib/openclaw", "users"],
  ["permissions ", "receiver"],
  ["ssh ", "ssh"],
  ["firewall ", "firewall"],
  ["metadata address", "firewall"],
  ["listeners", "firewall"],
  ["fail2ban ", "fail2ban"],
  ["service user ", "users"],
  ["primary user ", "users"],
  ["password of ", "users"],
  ["accounts ", "users"],
  ["authorized key", "users"],
  ["root's keys", "users"],
  ["sudo", "users"],
  ["management ", "management"],
  ["updates ", "updates"],
  ["recovery ", "receiver"],
  ["kernel ", "kernel"],
  ["service ", "gateway"],
  ["process ", "gateway"],
  ["sandbox ", "gateway"],
  ["gateway takes the token", "gateway-token"],
  ["gateway without a token", "gateway-token"],
  ["token", "gateway-token"],
];

/** The layer that a row looks after, if it is one's alone. */
export function layerOfRow(row: string): string | undefined {
  return owners.find(([start]) => row.startsWith(start))?.[1];
}

/** A row of the permission matrix whose file gets another mode. */
function mode(wrong: string, path: string, ...more: string[]): Mutation {
  return { break: `chmod ${wrong} ${path}`, rows: [`permissions ${path}`, ...more] };
}

/** What can be broken while everything runs; all of it at once. */
export const drifted: readonly Mutation[] = [
  ...[...undone].map(([keyword, lines]) => ({
    break: `${someKey}
printf '%s\\n' '${lines.replaceAll("\n", "' '")}' >>${sshd}/${lastCounts.includes(keyword) ? "zz" : "00"}-e2e.conf`,
    rows: [`ssh ${keyword}`, "ssh in force"],
  })),
  { break: `printf 'Match User root\\n  X11Forwarding no\\n' >>${sshd}/00-e2e.conf`, rows: ["ssh for any login"] },
  { break: "rm /etc/systemd/system/multi-user.target.wants/ssh.service", rows: ["ssh at boot"] },
  mode("600", `${sshd}/99-custom.conf`, "ssh in force"),
  mode("600", `${sshd}/00-monoclaw.conf`, "ssh in force"),
  mode("600", "/etc/fail2ban/jail.d/sshd.local"),
  mode("644", "/etc/sudoers.d/010_ops-limited", "sudoers syntax"),
  mode("755", "/etc/monoclaw"),
  mode("644", "/etc/monoclaw/auth-token"),
  mode("644", "/etc/monoclaw/allowed_signers"),
  mode("644", "/etc/monoclaw/host-id"),
  mode("644", "/etc/monoclaw/expected"),
  mode("755", "/var/lib/monoclaw"),
  mode("755", "/var/lib/openclaw"),
  mode("755", "/var/lib/openclaw/.openclaw"),
  mode("644", json),
  mode("711", "/usr/local/vps-scripts"),
  mode("755", "/home/ops/.ssh"),
  mode("644", "/home/ops/.ssh/authorized_keys"),
  mode("600", "/etc/apt/apt.conf.d/50unattended-upgrades"),
  mode("600", "/etc/apt/apt.conf.d/20auto-upgrades"),
  {
    break: "ufw allow 80/tcp",
    rows: ["firewall rules", "firewall in the kernel, IPv4", "firewall in the kernel, IPv6"],
  },
  {
    // Behind the rule that lets everybody in, it keeps nobody out.
    break: `rule='deny in on tailscale0 to any port 22022 proto tcp'; ufw --force delete $rule; ufw $rule`,
    rows: ["firewall in the kernel, IPv4", "firewall in the kernel, IPv6"],
  },
  {
    break: "ufw default allow incoming",
    rows: ["firewall default", "firewall in the kernel, IPv4", "firewall in the kernel, IPv6"],
  },
  { break: "sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw", rows: ["firewall IPv6"] },
  { break: "systemctl disable -q ufw.service", rows: ["firewall at boot"] },
  {
    break: "nft flush chain inet monoclaw_metadata output; systemctl disable -q monoclaw-metadata.service",
    rows: ["metadata address", "metadata address at boot", "firewall on loopback"],
  },
  {
    break: "rm /etc/systemd/resolved.conf.d/monoclaw.conf; systemctl restart systemd-resolved",
    rows: ["listeners"],
  },
  {
    break: `printf '[sshd]\\nmaxretry = 50\\nfindtime = 1\\nbantime = 1\\nport = 22\\nignoreip = 0.0.0.0/0\\n' >/etc/fail2ban/jail.d/zz.local
printf 'banaction = iptables-multiport\\nbackend = polling\\nlogpath = /etc/hostname\\n' >>/etc/fail2ban/jail.d/zz.local
systemctl restart fail2ban; timeout 20 bash -c 'until fail2ban-client status sshd; do sleep 0.1; done'`,
    rows: ["maxretry", "findtime", "bantime", "ignoreip", "port", "action", "sees sshd"].map(
      (row) => `fail2ban ${row}`,
    ),
  },
  {
    break: "sed -i '/^openclaw:/s|:/var/lib/openclaw:|:/var/lib/openclaw/.:|' /etc/passwd",
    rows: ["service user home"],
  },
  { break: "usermod -s /bin/bash openclaw", rows: ["service user shell"] },
  { break: "gpasswd -a openclaw adm", rows: ["service user groups"] },
  { break: "gpasswd -a ops sudo", rows: ["primary user groups", "sudo rows"] },
  ...["root", "ops", "openclaw"].map((name) => ({
    break: `usermod -p '$6$e2e$x' ${name}`,
    rows: [`password of ${name}`, "accounts with a password"],
  })),
  {
    break: `ssh-keygen -q -t ecdsa -N '' -f /tmp/e2e-key; cat /tmp/e2e-key.pub >>/home/ops/.ssh/authorized_keys; rm /tmp/e2e-key*`,
    rows: ["authorized keys", "authorized key types"],
  },
  {
    break: `${someKey}; install -D -m 600 /etc/ssh/e2e_key.pub /root/.ssh/authorized_keys`,
    rows: ["root's keys"],
  },
  { break: "echo 'ops ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/90-cloud-init-users", rows: ["sudo rows"] },
  { break: "echo 'Defaults:ops setenv' >/etc/sudoers.d/91-e2e", rows: ["sudo settings"] },
  { break: "echo 'openclaw ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/92-e2e", rows: ["sudo for openclaw"] },
  { break: "echo 'this is no rule' >/etc/sudoers.d/93-e2e", rows: ["sudoers syntax"] },
  { break: "printf hostname >/etc/monoclaw/missing-sandbox", rows: ["container"], status: "WARN" },
  { break: "chmod g+w /usr/local/vps-scripts/monoclaw-logs", rows: ["management scripts"] },
  { break: "echo '# e2e' >>/usr/local/vps-scripts/show-config", rows: ["management scripts as signed"] },
  { break: "ln -sfn /bin/sh /usr/local/bin/monoclaw-logs", rows: ["management commands"] },
  {
    break: `cat >/etc/apt/apt.conf.d/99e2e <<'APT'
APT::Periodic::Update-Package-Lists "0";
APT::Periodic::Unattended-Upgrade "0";
APT::Periodic::Enable "0";
Unattended-Upgrade::Automatic-Reboot "true";
Unattended-Upgrade::Allowed-Origins { "o=*"; };
APT`,
    rows: ["lists", "unattended", "held back", "reboot", "origins"].map((row) => `updates ${row}`),
  },
  { break: "systemctl disable -q --now apt-daily.timer", rows: ["updates apt-daily"] },
  { break: "systemctl mask -q apt-daily-upgrade.service", rows: ["updates apt-daily-upgrade"] },
  { break: "systemctl disable -q monoclaw-recover.service", rows: ["recovery at boot"] },
  { break: "sysctl -q net.ipv4.conf.eth0.accept_redirects=1", rows: ["kernel settings"] },
  { break: "sed -i /rp_filter/d /etc/sysctl.d/zz-monoclaw.conf", rows: ["kernel files"] },
  { break: "chmod 666 /etc/modprobe.d/monoclaw.conf", rows: ["kernel file modes"] },
  { break: "chmod 755 /etc/cron.d", rows: ["kernel layer: root's jobs"] },
];

/** Rows that warn on a healthy host of the lab, which is a container: its kernel is the machine's, and it has no memory or task controller. */
export const rowsOfContainers: readonly string[] = ["kernel settings", "service MemoryMax", "service TasksMax"];

/** A stranger's server on the gateway's port, which calls itself sshd. */
const impostor = `import ctypes, http.server
ctypes.CDLL(None).prctl(15, b"sshd", 0, 0, 0)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(403); self.end_headers()
    do_POST = do_GET
http.server.HTTPServer(("0.0.0.0", 18789), Answer).serve_forever()`;

const service = [
  "User",
  "Group",
  "MemoryMax",
  "TasksMax",
  "Restart",
  "RestartPreventExitStatus",
  "NoNewPrivileges",
].concat(
  ["ProtectSystem", "ProtectHome", "PrivateTmp", "ProtectKernelTunables", "ProtectKernelModules"],
  ["ProtectControlGroups", "ReadWritePaths", "drop-ins"],
);
const seen = ["/", "/home", "/root", "/sys/fs/cgroup", "/tmp"];

/** What takes the running services away, or replaces them. */
export const down: readonly Mutation[] = [
  {
    // The drop-ins are gone while cloud-init's says yes, and sshd has taken that over.
    break: `rm ${sshd}/00-monoclaw.conf ${sshd}/99-custom.conf; echo 'PasswordAuthentication yes' >${sshd}/50-cloud-init.conf
systemctl reload ssh; timeout 20 bash -c 'until [[ -n $(ss -Hltn "sport = :22") ]]; do sleep 0.1; done'`,
    rows: [
      ...sshRows.filter((row) => !asDebian.some((key) => row === `ssh ${key}`)),
      ...["offers on 22022", "listens on"].map((row) => `ssh ${row}`),
      ...["00-monoclaw.conf", "99-custom.conf"].map((name) => `permissions ${sshd}/${name}`),
    ],
  },
  {
    break: "ufw disable",
    rows: ["status", "default", "at boot", "in the kernel, IPv4", "in the kernel, IPv6"].map(
      (row) => `firewall ${row}`,
    ),
  },
  {
    break: "systemctl disable -q --now fail2ban",
    rows: [
      ...["running", "at boot", "maxretry", "findtime", "bantime", "ignoreip", "port", "action", "sees sshd"],
      "in the kernel",
    ].map((row) => `fail2ban ${row}`),
  },
  {
    break: `systemctl disable -q openclaw; mkdir -p ${unit}.d; cat >${unit}.d/override.conf <<'UNIT'
[Service]
ExecStart=
ExecStart=/bin/sleep infinity
User=root
Group=root
MemoryMax=infinity
TasksMax=infinity
Restart=no
RestartPreventExitStatus=79
NoNewPrivileges=no
ProtectSystem=no
ProtectHome=no
PrivateTmp=no
ProtectKernelTunables=no
ProtectKernelModules=no
ProtectControlGroups=no
ReadWritePaths=/etc
CapabilityBoundingSet=~
SystemCallFilter=
RestrictNamespaces=no
RestrictAddressFamilies=
PrivateDevices=no
PrivateUsers=no
WorkingDirectory=/
ProtectProc=default
SystemCallArchitectures=
ProtectKernelLogs=no
ProtectClock=no
ProtectHostname=no
RestrictRealtime=no
RestrictSUIDSGID=no
LockPersonality=no
MemoryDenyWriteExecute=no
UNIT
systemctl daemon-reload; systemctl restart openclaw; touch ${unit}`,
    rows: [
      ...[...service, "UnitFileState", "NeedDaemonReload"].map((row) => `service ${row}`),
      ...["user", "privileges", "system calls", "program"].map((row) => `process ${row}`),
      ...seen.map((path) => `process sees ${path}`),
      "sandbox exposure",
    ],
  },
  {
    break: `systemd-run -q --unit=e2e-impostor --uid=ops python3 -c '${impostor}'
timeout 20 bash -c 'until [[ -n $(ss -Hltn "sport = :18789") ]]; do sleep 0.1; done'`,
    rows: [
      ...["without a token", "takes the token", "ready", "listens on", "port"].map((row) => `gateway ${row}`),
      "listeners",
    ],
    byHand: "systemctl stop e2e-impostor",
    because: "a stranger's process is no layer's; the gateway layer fails as long as it has the port: stop it",
  },
  {
    break: `setpriv --reuid=openclaw --regid=openclaw --clear-groups python3 - <<'PYTHON'
import json
path = "${json}"
config = json.load(open(path))
config["gateway"].update(mode="remote", bind="lan", port=18790, trustedProxies=["0.0.0.0/0"])
config["gateway"]["auth"].update(mode="none", token="0" * 64)
config["browser"]["enabled"] = True
open(path, "w").write(json.dumps(config))
PYTHON`,
    rows: [
      ...[
        "gateway.auth.mode",
        "gateway.mode",
        "gateway.bind",
        "gateway.port",
        "gateway.trustedProxies",
        "settings",
      ].map((row) => `openclaw.json ${row}`),
      ...["token in openclaw.json", "openclaw security audit"],
    ],
  },
];

/** On top of {@link down}: what is left can't even be read, or is a trap for root. */
export const unreadable: readonly Mutation[] = [
  {
    break: `echo 'NoSuchOption yes' >${sshd}/60-e2e.conf`,
    rows: [...sshRows, "ssh configuration", "ssh for any login", "ssh in force"],
  },
  { break: "systemctl stop openclaw", rows: ["service ActiveState"] },
  {
    // The service user's pipe: whoever opens it hangs.
    break: `mv ${json} ${json}.e2e; setpriv --reuid=openclaw --regid=openclaw --clear-groups mkfifo -m 600 ${json}`,
    rows: [`permissions ${json}`],
    byHand: `rm ${json}; mv ${json}.e2e ${json}`,
    because: "what a user put in the place of the configuration is never overwritten: move it away",
  },
];

/** A clock that nobody sets. A container has the machine's, so both tools must tell of another host. */
export const otherClock: Mutation & { readonly byHand: string; readonly because: string } = {
  break: `printf '#!/bin/sh\\necho no\\n' >/run/e2e-no; printf '#!/bin/sh\\n[ "$1" = --quiet ] || echo none; exit 1\\n' >/run/e2e-none; chmod 755 /run/e2e-no*
mount --bind /run/e2e-no /usr/bin/timedatectl; mount --bind /run/e2e-none /usr/bin/systemd-detect-virt`,
  rows: ["clock"],
  status: "WARN",
  byHand: "umount /usr/bin/timedatectl /usr/bin/systemd-detect-virt; rm /run/e2e-no*",
  because: "who sets the clock is the distribution's affair: timedatectl set-ntp true",
};

/** What no layer mends: each by itself, with the reason. */
export const byHand: readonly (Mutation & { readonly byHand: string; readonly because: string })[] = [
  {
    break: "touch /etc/monoclaw/bootstrap-host-key",
    rows: ["ssh host key"],
    byHand: "rm /etc/monoclaw/bootstrap-host-key",
    because: "the host makes its own key at the first contact only",
  },
  {
    break: "useradd -o -u 0 -M -N toor",
    rows: ["accounts with uid 0"],
    byHand: "sed -i /^toor:/d /etc/{passwd,shadow,subuid,subgid}",
    because: "no layer takes an account away: userdel -f",
  },
  {
    break: `fail2ban-client set sshd banip 192.0.2.66
timeout 20 bash -c 'until nft list set inet f2b-table addr-set-sshd | grep -qF 192.0.2.66; do sleep 0.1; done'
nft flush chain inet f2b-table f2b-chain`,
    rows: ["fail2ban in the kernel"],
    byHand: "fail2ban-client set sshd unbanip 192.0.2.66; systemctl restart fail2ban",
    because: "fail2ban itself writes these rules: systemctl restart fail2ban",
  },
  {
    break: `mkdir -p /etc/systemd/system.control; cp -a ${unit} /etc/systemd/system.control/; systemctl daemon-reload`,
    rows: ["service FragmentPath"],
    byHand: "rm -r /etc/systemd/system.control; systemctl daemon-reload",
    because: "a unit file in front of the layer's is an administrator's act: remove it",
  },
  {
    break: "chmod 777 /opt/openclaw/$(readlink /opt/openclaw/current)",
    rows: ["program folder"],
    byHand: "chmod 755 /opt/openclaw/$(readlink /opt/openclaw/current)",
    because: "the openclaw layer fails: what others could write must be installed anew",
  },
  {
    break: "chmod a-x /usr/bin/unattended-upgrade",
    rows: ["updates program"],
    byHand: "chmod a+x /usr/bin/unattended-upgrade",
    because: "the program is its package's: apt-get install --reinstall unattended-upgrades",
  },
  otherClock,
  {
    break: "touch /etc/monoclaw/token-regenerated",
    rows: ["token source"],
    status: "WARN",
    byHand: "rm /etc/monoclaw/token-regenerated",
    because: "pulumi up --replace takes the token over",
  },
  {
    break: "mkdir /var/lib/monoclaw/journal/e2e; touch /var/lib/monoclaw/journal/e2e/pending",
    rows: ["changes"],
    status: "WARN",
    byHand: "rm -r /var/lib/monoclaw/journal/e2e",
    because: "pulumi up confirms it, or its timer puts it back",
  },
  {
    break: "cp -a /etc/monoclaw/auth-token /root/e2e-token; echo short >/etc/monoclaw/auth-token",
    rows: ["token", "token in openclaw.json", "gateway takes the token"],
    byHand: "cat /root/e2e-token >/etc/monoclaw/auth-token; rm /root/e2e-token",
    because: "no kept envelope holds a secret: monoclaw-config regenerate-token, or pulumi up --replace",
  },
  {
    break: "echo 'install dccp /bin/true' >/etc/modprobe.d/a-e2e.conf",
    rows: ["kernel modules"],
    byHand: "rm /etc/modprobe.d/a-e2e.conf",
    because: "a file in front of the layer's is an administrator's act: remove it",
  },
];

/** Where the stack has no tailnet: a Tailscale that somebody else brought. */
export const strangeTailscale: Mutation & { readonly byHand: string; readonly because: string } = {
  break: "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/tailscale; chmod 755 /usr/local/bin/tailscale",
  rows: ["tailscale"],
  byHand: "rm /usr/local/bin/tailscale",
  because: "no layer takes away what it didn't bring: apt-get remove tailscale",
};

const tailscaled = "/etc/systemd/system/tailscaled.service";

/** On a host that is on its tailnet, all of it at once. */
export const tailnet: readonly Mutation[] = [
  {
    break: "tailscale set --ssh --webclient --operator=ops --netfilter-mode=on --accept-risk=all",
    rows: ["tailscale settings", "firewall in the kernel, IPv4", "firewall in the kernel, IPv6"],
  },
  {
    // Root's files for the whole internet, and sshd for the tailnet.
    break: `name=$(/usr/local/vps-scripts/tailnet-facts | sed -n s/^name=//p)
printf '{"TCP": {"443": {"HTTPS": true}, "2222": {"TCPForward": "127.0.0.1:22022"}}, "Web": {"%s:443": {"Handlers": {"/": {"Path": "/etc"}}}},
"AllowFunnel": {"%s:443": true}}' "$name" "$name" | tailscale serve set-raw`,
    rows: ["tailscale serve"],
  },
  {
    break: `mkdir -p ${tailscaled}.d; cat >${tailscaled}.d/override.conf <<'UNIT'
[Service]
User=root
Group=root
AmbientCapabilities=
CapabilityBoundingSet=~
ProtectSystem=no
ReadOnlyPaths=
NoNewPrivileges=no
PrivateDevices=no
UNIT
systemctl daemon-reload; systemctl restart tailscaled
timeout 60 bash -c 'until /usr/local/vps-scripts/tailnet-facts | grep -x online=yes; do sleep 0.2; done'`,
    rows: [
      ...["service", "exposure", "process", "sees /"].map((row) => `tailscale ${row}`),
      "permissions /var/lib/tailscale",
    ],
  },
  { break: "chmod 777 /opt/tailscale/$(readlink /opt/tailscale/current)", rows: ["tailscale program"] },
  { break: "sed -i s/^tailnet=.*/tailnet=https:..elsewhere.test/ /etc/monoclaw/expected", rows: ["tailscale tailnet"] },
];

/** The same host, without the daemon: as `systemctl mask` does it, but for the layer's file that has its place. */
export const tailnetDown: readonly Mutation[] = [
  {
    break: `systemctl stop tailscaled; ln -sfn /dev/null ${tailscaled}; systemctl daemon-reload`,
    rows: ["tailscale service", "tailscale exposure"],
  },
  {
    break: ":",
    rows: ["", " tailnet", " settings", " serve", " process"].map((row) => `tailscale${row}`),
    status: "WARN",
  },
];

/** An account's number changes under it, so most of what is its own is a stranger's now. */
export const anotherUid: Mutation & { readonly byHand: string } = {
  break: "sed -i -E 's/^(openclaw:[^:]*:)[0-9]+/\\11500/' /etc/passwd",
  rows: [
    "service user uid",
    "process user",
    ...["/var/lib/openclaw", "/var/lib/openclaw/.openclaw", json].map((path) => `permissions ${path}`),
    ...["gateway.auth.mode", "gateway.mode", "gateway.bind", "gateway.port", "gateway.trustedProxies", "settings"].map(
      (row) => `openclaw.json ${row}`,
    ),
    ...["token in openclaw.json", "openclaw security audit"],
  ],
  byHand: 'uid=$(stat -c %u /var/lib/openclaw); sed -i -E "s/^(openclaw:[^:]*:)[0-9]+/\\1$uid/" /etc/passwd',
  because: "files and processes have the old number: usermod -u",
};

/** Without what the stack expects, there is nothing to compare with. */
export const noStack: Mutation = { break: "rm /etc/monoclaw/expected", rows: ["stack"] };

/** All of them: together they name every row of the audit. */
export const mutations: readonly Mutation[] = [
  ...drifted,
  ...down,
  ...unreadable,
  ...byHand,
  strangeTailscale,
  anotherUid,
  noStack,
];
