# The gateway: openclaw.json by its managed keys, and the sandboxed service.
# document: Loopback Binding; Systemd Service Hardening; File Permissions
unit=/etc/systemd/system/openclaw.service
managed=/etc/monoclaw/openclaw-settings.json
# shellcheck source=/dev/null
source /usr/local/vps-scripts/gateway.sh

[[ -s /etc/monoclaw/auth-token ]] || fail 'there is no token yet: the gateway-token layer comes first'
[[ -d /opt/openclaw/{{{id}}} ]] || fail '/opt/openclaw/{{{id}}} is missing: the openclaw layer comes first'
folder 700 openclaw:openclaw /var/lib/openclaw

# What this layer manages in openclaw.json; the copy of the last run says which keys are ours to remove.
put 600 root:root "$managed" {{{settings}}}
before={}
[[ ! -e $managed ]] || before=$(<"$managed")
stage_config <<<"{\"before\": $before, \"now\": $(<"$(staged "$managed")")}"

put 644 root:root "$unit" {{{unit}}}
if changed "$unit"; then
  # systemd-analyze wants the unit's own file name; what it says of other units is not this layer's.
  install -D -m 644 "$(staged "$unit")" "$JOURNAL/verify/openclaw.service"
  errors=$(systemd-analyze verify --man=no "$JOURNAL/verify/openclaw.service" 2>&1 | grep -F openclaw.service || :)
  [[ -z $errors ]] || fail "systemd refuses openclaw.service: $errors"
fi

# in_force: the service is ready, runs from the pinned folder in its sandbox, and listens on loopback only.
in_force() {
  systemctl is-active --quiet openclaw && systemctl is-enabled --quiet openclaw && gateway_ready 60 || return 1
  shown=$(systemctl show openclaw -p MainPID,NeedDaemonReload,NoNewPrivileges,ProtectSystem,ProtectHome,PrivateTmp |
    sort | paste -sd' ')
  [[ $shown =~ ^MainPID=([0-9]+)\ NeedDaemonReload=no\ NoNewPrivileges=yes\ PrivateTmp=yes\ ProtectHome=yes\ ProtectSystem=strict$ ]] ||
    return 1
  [[ $(readlink "/proc/${BASH_REMATCH[1]}/exe") == /opt/openclaw/{{{id}}}/* ]] || return 1
  listening=$(ss -Hltn 'sport = :{{{port}}}' | awk '{print $4}' | sort | paste -sd' ')
  [[ $listening == '127.0.0.1:{{{port}}} [::1]:{{{port}}}' || $listening == '127.0.0.1:{{{port}}}' ]]
}

if [[ -n $candidate ]] || changed "$unit" || ! in_force; then
  stop_gateway
  swap_config
  commit
  systemctl daemon-reload
  enable openclaw.service
  start_gateway
  forget_code {{{id}}}
  note 'started the gateway'
  in_force || fail "the gateway doesn't run as it should: $shown, listening on ${listening:-nothing}"
else
  commit
fi
