# shellcheck shell=bash disable=SC2154 # user, ports and want are audit-words.sh's
# Authentication & Secrets, Loopback Binding, Systemd Service Hardening: openclaw.json, the service and its process.
# shellcheck source=templates/layers/openclaw/files/usr/local/vps-scripts/gateway.sh
source /usr/local/vps-scripts/gateway.sh
# shellcheck source=templates/layers/gateway/files/usr/local/vps-scripts/audit-sandbox.sh
source /usr/local/vps-scripts/audit-sandbox.sh
readonly port=18789

# config: openclaw.json as plain JSON, read as user openclaw, bounded in time and size.
config() {
  edit_config json | head -c 4194304
}

# config_rows: the managed keys, the token, and a digest over all but the token, for the cache of OpenClaw's own audit.
config_rows() {
  local answer line
  local -A found=()
  # The values are compared in memory; neither token is printed.
  answer=$(config 2>/dev/null | python3 -I -S -c '
import hashlib, json, sys
def plain(value):
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
def missing(wanted, now, at):
    for key, value in wanted.items():
        here = now.get(key) if isinstance(now, dict) else None
        if isinstance(value, dict):
            yield from missing(value, here, at + key + ".")
        elif here != value:
            yield at + key
config = json.load(sys.stdin)
gateway = config["gateway"]
auth = gateway.get("auth", {})
with open("/etc/monoclaw/auth-token") as file:
    print("token", "same" if auth.pop("token", None) == file.read().strip() else "differs", sep="=")
print("digest", hashlib.sha256(plain(config).encode()).hexdigest(), sep="=")
print("gateway.auth.mode", plain(auth.get("mode")), sep="=")
for key in ("mode", "bind", "port", "trustedProxies"):
    print("gateway." + key, plain(gateway.get(key)), sep="=")
with open("/etc/monoclaw/openclaw-settings.json") as file:
    print("drift", ", ".join(missing(json.load(file), config, "")) or "none", sep="=")
' 2>/dev/null) || : # the rows below fail
  while IFS= read -r line; do
    [[ $line != *=* ]] || found[${line%%=*}]=${line#*=}
  done <<<"$answer"
  digest=${found[digest]-}
  is 'token in openclaw.json' "${found[token]-}" same
  is 'openclaw.json gateway.auth.mode' "${found[gateway.auth.mode]-}" token
  is 'openclaw.json gateway.mode' "${found[gateway.mode]-}" local
  is 'openclaw.json gateway.bind' "${found[gateway.bind]-}" loopback
  is 'openclaw.json gateway.port' "${found[gateway.port]-}" "$port"
  is 'openclaw.json gateway.trustedProxies' "${found[gateway.trustedProxies]-}" '["127.0.0.1", "::1"]'
  if [[ ${found[drift]-} == none ]]; then
    row PASS 'openclaw.json settings' 'all that the stack manages'
  else
    row FAIL 'openclaw.json settings' "not as the stack manages them: ${found[drift]:-nothing could be read}"
  fi
}

# The running gateway, not its files.
token_rows() {
  local token
  token=$(head -c 100 /etc/monoclaw/auth-token 2>/dev/null) || : # the row fails
  if [[ $token =~ ^[0-9a-f]{64}$ ]]; then
    row PASS 'token' '256 bits, as 64 hex digits'
  else
    row FAIL 'token' 'must be 256 bits, as 64 hex digits; it can only be made anew'
  fi
  is 'gateway without a token' "$(http_status <<<$'POST /tools/invoke HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r')" 401
  if [[ $(token_status "$token") =~ ^(200|404)$ ]]; then
    row PASS 'gateway takes the token' 'the running gateway accepts it'
  else
    row FAIL 'gateway takes the token' "the running gateway refuses what is in /etc/monoclaw/auth-token"
  fi
  is 'gateway ready' "$(http_status <<<$'GET /startupz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r')" 200
  is 'gateway listens on' "$(ss -Hltn "sport = :$port" | awk '{print $4}' | grep -vxF "[::1]:$port" | sort -u | paste -sd,)" "127.0.0.1:$port"
  none 'gateway port' "the service's alone" port_thieves
}

# port_thieves: processes of other services that listen on the gateway's port.
port_thieves() {
  ss -Hltnpe "sport = :$port" | grep -vF 'cgroup:/system.slice/openclaw.service' || : # grep says 1 for none
}

# limit_row DIRECTIVE VALUE NOW FILE GROUP: a limit that systemd has, and that the kernel keeps. It may not have the means: many a container hasn't.
limit_row() {
  local file=/sys/fs/cgroup$5/$4
  if [[ -z $5 ]]; then # it doesn't run, which has a row of its own
    is "service $1" "$3" "$2"
    return
  elif [[ $3 == "$2" && ! -e $file ]]; then
    row WARN "service $1" "this host has no $4, so nothing keeps the service to $2"
    return
  fi
  is "service $1" "$3, in force: $(cat "$file" 2>&1)" "$2, in force: $2"
}

# The unit as systemd has it loaded: the requirements' directives and limits.
service_rows() {
  local key value
  local -A now=()
  while IFS='=' read -r key value; do
    now[$key]=$value
  done < <(systemctl show openclaw.service)
  main_pid=${now[MainPID]-0}
  while IFS='=' read -r key value; do
    is "service $key" "${now[$key]-}" "$value"
  done <<ROWS
ActiveState=active
UnitFileState=enabled
FragmentPath=/etc/systemd/system/openclaw.service
NeedDaemonReload=no
User=openclaw
Group=openclaw
Restart=always
RestartPreventExitStatus=78
ROWS
  limit_row MemoryMax "${want[memoryMax]-}" "${now[MemoryMax]-}" memory.max "${now[ControlGroup]-}"
  limit_row TasksMax "${want[tasksMax]-}" "${now[TasksMax]-}" pids.max "${now[ControlGroup]-}"
  is 'service NoNewPrivileges' "${now[NoNewPrivileges]-}" yes
  while IFS='=' read -r key value; do
    sandbox_is "service $key" files "${now[$key]-}" "$value"
  done <<ROWS
ProtectSystem=strict
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ReadWritePaths=/var/lib/openclaw -/tmp/openclaw
ROWS
  # The requirements' read-only is the floor; the template says yes.
  value=${now[ProtectHome]-}
  sandbox_is 'service ProtectHome' files "${value/#read-only/yes}" yes
  # LXC's own, which only adapts units to the container, is no stranger's.
  none 'service drop-ins' 'none' sed '/^$/d; \|^/run/systemd/system/service.d/zzz-lxc-service.conf$|d' \
    <<<"$(tr ' ' '\n' <<<"${now[DropInPaths]-}")"
  process_rows "$main_pid"
}

# own_audit: OpenClaw's verdict on its configuration and the running gateway: counts, and what it warns of.
own_audit() {
  audit_gateway </dev/null 2>/dev/null | head -c 1048576 |
    python3 -I -S -c '
import json, sys
report = json.load(sys.stdin)
count = report["summary"]
found = [str(each["checkId"]) for each in report["findings"] if each["severity"] != "info"]
print(int(count["critical"]), "critical,", int(count["warn"]), "warn", *found)'
}

# It takes seconds, so the verdict is kept for a day, as long as version and configuration, but for the token, are the same.
own_audit_row() {
  local kept=/var/lib/monoclaw/openclaw-audit key verdict
  if [[ -z $digest ]]; then
    row FAIL 'openclaw security audit' "openclaw.json can't be read"
    return
  fi
  key="$(readlink "$openclaw") $digest"
  if [[ -n $(find "$kept" -maxdepth 0 -mmin -1440 2>/dev/null) && $(head -n 1 "$kept") == "$key" ]]; then
    verdict=$(sed -n 2p "$kept")
  else
    verdict=$(own_audit) || verdict='it did not run to its end'
    config_rows >/dev/null # a verdict is kept only if it is on the configuration that is there now, too
    if [[ $verdict == '0 critical, '* && "$(readlink "$openclaw") $digest" == "$key" ]]; then
      printf '%s\n%s\n' "$key" "$verdict" >"$kept.new"
      mv -f -- "$kept.new" "$kept"
    fi
  fi
  case $verdict in
    '0 critical, 0 warn') row PASS 'openclaw security audit' "$verdict" ;;
    '0 critical, '*) row WARN 'openclaw security audit' "$verdict" ;;
    *) row FAIL 'openclaw security audit' "$verdict" ;;
  esac
}

main_pid=0 digest=''
token_rows
config_rows
service_rows
own_audit_row
