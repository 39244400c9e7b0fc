# The gateway: openclaw.json by its managed keys, and the sandboxed service.
# requirements: Loopback; Sandbox; Containers; Files
unit=/etc/systemd/system/openclaw.service
managed=/etc/monoclaw/openclaw-settings.json
# shellcheck source=/dev/null
source /usr/local/vps-scripts/gateway.sh

[[ -s /etc/monoclaw/auth-token ]] || fail 'there is no token yet: the gateway-token layer comes first'
[[ -d /opt/openclaw/{{{id}}} ]] || fail '/opt/openclaw/{{{id}}} is missing: the openclaw layer comes first'
folder 700 openclaw:openclaw /var/lib/openclaw

# The unit's parts; which of the sandbox's groups it gets is for this host to show.
parts=$JOURNAL/parts
install -d -m 700 "$parts"
{{#parts}}
cat >"$parts/{{{name}}}" {{{text}}}
{{/parts}}

# probe GROUP...: prints those of the groups that have no effect in a unit of this host, or `done`. Its exit code: 0 if there are none, 3 if
# there are some, systemd's own if such a unit can't start.
probe() {
  local -a properties
  mapfile -t properties < <(cat "$parts/user" "${@/#/$parts/}" | grep '^[A-Z]')
  # shellcheck disable=SC2016 # the inner shell expands these
  systemd-run --quiet --pipe --wait --collect --service-type=exec -p User=openclaw -p UMask=077 -p WorkingDirectory=/ \
    -p RuntimeMaxSec=30 -p TimeoutStopSec=1 "${properties[@]/#/--property=}" \
    bash -c '"$@" && printf done' probe /usr/local/vps-scripts/sandbox-check "$(readlink /proc/self/ns/uts)" "$@"
}

# works GROUP...: true if all of these groups have their effect together. A probe that doesn't end by itself says nothing of them while the
# gateway runs, which may have killed it. To systemd a unit that is killed politely is a success, so only its last word counts.
works() {
  local said code=0
  said=$(probe "$@" 2>>"$JOURNAL/probe.log") || code=$?
  [[ $code != 0 || $said != *"done" ]] || return 0
  ! ((code == 3 || (code >= 200 && code < 255))) || return 1
  without_gateway || return 1
  [[ $(probe "$@" 2>>"$JOURNAL/probe.log") == *"done" ]]
}

groups=({{{groups}}}) missing=()
if ! works "${groups[@]}"; then
  works || fail "a service of this host can't be kept to a user of its own: $(tail -n 3 "$JOURNAL/probe.log")"
  wanted=("${groups[@]}") groups=()
  for group in "${wanted[@]}"; do
    if works "${groups[@]}" "$group"; then
      groups+=("$group")
    else
      missing+=("$group")
    fi
  done
  # Outside of containers every group works; one that doesn't has been broken, and is not to be given up for that.
  # Except that Debian 12's systemd, and Ubuntu's until 24.04, is built without what SocketBindDeny= takes.
  systemd-detect-virt --quiet --container ||
    [[ ${missing[*]} == ports && $(systemctl --version) == *-BPF_FRAMEWORK* ]] ||
    fail "this host is no container, but parts of the gateway's sandbox don't work: ${missing[*]}." \
      'To see why, run on the host: journalctl -b -p warning'
  progress "WARN this host can't do all of the sandbox; the gateway runs as its own user, but without: ${missing[*]}"
fi
put 600 root:root /etc/monoclaw/missing-sandbox < <(printf '%s' "${missing[*]}")
put 600 root:root /etc/monoclaw/sandbox < <(cat "$parts/user" "${groups[@]/#/$parts/}" | grep '^[A-Z]')
commit # the check of openclaw.json below, and whatever else runs OpenClaw's code, keeps to them

# openclaw.json may have drifted; the token that counts is root's. No start before the rest is right, too.
if [[ $(</etc/monoclaw/auth-token) =~ ^[0-9a-f]{64}$ ]]; then
  place_token "$(</etc/monoclaw/auth-token)"
fi

# What this layer manages in openclaw.json; the copy of the last run says which keys are ours to remove.
put 600 root:root "$managed" {{{settings}}}
before={}
[[ ! -e $managed ]] || before=$(<"$managed")
begin={} token=''
[[ ! -s /etc/monoclaw/auth-token ]] || token=$(</etc/monoclaw/auth-token)
[[ ! $token =~ ^[0-9a-f]{64}$ ]] || begin="{\"gateway\": {\"auth\": {\"token\": \"$token\"}}}"
stage_config <<<"{\"before\": $before, \"now\": $(<"$(staged "$managed")"), \"begin\": $begin}"

put 644 root:root "$unit" < <(cat "$parts/unit" "$parts/user" "${groups[@]/#/$parts/}")
if changed "$unit"; then
  # systemd-analyze wants the unit's own file name; what it says of other units is not this layer's.
  install -D -m 644 "$(staged "$unit")" "$JOURNAL/verify/openclaw.service"
  errors=$(systemd-analyze verify --man=no "$JOURNAL/verify/openclaw.service" 2>&1 | grep -F openclaw.service || :)
  [[ -z $errors ]] || fail "systemd refuses openclaw.service: $errors"
fi

# Nobody but this layer says how the gateway runs.
mapfile -t dropins < <(systemctl show openclaw.service -p DropInPaths --value | grep -oE '[^ ]+/openclaw\.service\.d/[^ ]+')
if ((${#dropins[@]} > 0)); then
  guard "${dropins[@]}"
  rm -f -- "${dropins[@]}"
  note "removed ${dropins[*]}"
fi

# in_force: the service is ready, runs from the pinned folder as the unit says, and listens on loopback only.
in_force() {
  systemctl is-active --quiet openclaw && systemctl is-enabled --quiet openclaw && gateway_ready 60 || return 1
  shown=$(systemctl show openclaw -p MainPID,NeedDaemonReload,NoNewPrivileges,User | sort | paste -sd' ')
  [[ $shown =~ ^MainPID=([0-9]+)\ NeedDaemonReload=no\ NoNewPrivileges=yes\ User=openclaw$ ]] || return 1
  [[ $(readlink "/proc/${BASH_REMATCH[1]}/exe") == /opt/openclaw/{{{id}}}/* ]] || return 1
  # The process itself may be older than its unit.
  [[ " ${missing[*]} " == *' files '* ]] ||
    awk '$5 == "/" {now = $6} END {exit now !~ /^ro/}' "/proc/${BASH_REMATCH[1]}/mountinfo" || return 1
  grep -qE '^NoNewPrivs:\s1$' "/proc/${BASH_REMATCH[1]}/status" || return 1
  listening=$(ss -Hltn 'sport = :{{{port}}}' | awk '{print $4}' | sort | paste -sd' ')
  [[ $listening == '127.0.0.1:{{{port}}} [::1]:{{{port}}}' || $listening == '127.0.0.1:{{{port}}}' ]]
}

if [[ -n $candidate ]] || ((${#dropins[@]} > 0)) || changed "$unit" || ! in_force; then
  stop_gateway
  swap_config
  commit
  systemctl daemon-reload
  enable openclaw.service
  forget_code {{{id}}}
  start_gateway
  note 'started the gateway'
  in_force || fail "the gateway doesn't run as it should: $shown, listening on ${listening:-nothing}"
else
  commit
fi
