# shellcheck shell=bash
# What the layers that touch the gateway share. They source this file, after layer.sh.

openclaw=/opt/openclaw/current
compiled=/var/cache/monoclaw

# setpriv's options, for a command of the system's that runs as user openclaw
as_openclaw=(--reuid=openclaw --regid=openclaw --clear-groups --no-new-privs --bounding-set=-all --reset-env --)

# names what is set aside in this run
run_id=${EPOCHREALTIME//[!0-9]/}

# edit_config ARGUMENT...: changes openclaw.json, see openclaw-config.mjs. It takes a fraction of a second. Not with a debugger, which SIGUSR1
# would open to whoever sends it.
edit_config() {
  timeout -s KILL 30 setpriv "${as_openclaw[@]}" "$openclaw/bin/node" --disable-sigusr1 /usr/local/vps-scripts/openclaw-config.mjs "$@"
}

# forget_code ID: removes compiled code of other versions than ID, while the gateway is stopped. What its user planted there may keep some.
forget_code() {
  [[ ! -d $compiled ]] || find "$compiled" -mindepth 1 -maxdepth 1 ! -name "$1" -exec rm -rf -- {} +
  # shellcheck disable=SC2016 # the inner shell expands these
  timeout -s KILL 60 setpriv "${as_openclaw[@]}" bash -c '[[ ! -d ~/.cache/node ]] ||
    find ~/.cache/node -mindepth 1 -maxdepth 1 ! -name "$1" -exec rm -rf -- {} +' forget "$1" ||
    progress 'WARN compiled code of older versions stays in /var/lib/openclaw/.cache/node'
}

# is_up: the gateway runs, or is about to.
is_up() {
  local state
  state=$(systemctl is-active openclaw || :) # its exit code repeats the state
  [[ $state == active || $state == *ing ]]
}

# without_gateway: stops the gateway, which may kill, halt or deceive whatever runs as its user. False if it doesn't run, so that it can't have
# been that.
without_gateway() {
  is_up || return 1
  progress "a helper process that runs as the gateway's user failed or was killed: trying again with the gateway stopped"
  stop_gateway at-once
}

# boxed [OPTION]... COMMAND...: runs OpenClaw's code as user openclaw in a unit of its own, with the gateway's own sandbox, for plugins of the
# user's may be part of it. Not with the code that the gateway has compiled and kept, which could be anything: it has a place for its own,
# which nobody else gets to, where the sandbox can bring it there. Nor with a debugger, as in edit_config. The options are systemd-run's;
# RestrictAddressFamilies= among them replaces the sandbox's.
boxed() {
  local kept inside=/run/openclaw-code
  local -a sandbox own=()
  if [[ -e /etc/monoclaw/sandbox ]]; then
    mapfile -t sandbox </etc/monoclaw/sandbox
  else # a host that an older version of the gateway layer made, until the next run of that
    sandbox=(NoNewPrivileges=yes CapabilityBoundingSet=)
    [[ -s /etc/monoclaw/missing-sandbox ]] ||
      sandbox+=(ProtectSystem=strict ReadWritePaths=/var/lib/openclaw ProtectHome=yes PrivateTmp=yes PrivateDevices=yes)
  fi
  [[ " $* " != *' RestrictAddressFamilies='* ]] || mapfile -t sandbox < <(printf '%s\n' "${sandbox[@]}" | grep -v '^RestrictAddressFamilies=')
  if [[ " ${sandbox[*]} " == *' ProtectSystem=strict '* ]]; then
    kept=$compiled/$(readlink "$openclaw")
    install -d -m 700 "$compiled"
    install -d -m 700 -o openclaw -g openclaw "$kept"
    own=(-p BindPaths="$kept:$inside" -p ReadWritePaths="$inside" -E NODE_COMPILE_CACHE="$inside")
  fi
  systemd-run --quiet --pipe --wait --collect --service-type=exec -p User=openclaw -p UMask=077 -p WorkingDirectory=/ \
    -p RuntimeMaxSec=120 -p TimeoutStopSec=5 "${sandbox[@]/#/--property=}" "${own[@]}" -E HOME=/var/lib/openclaw -E OPENCLAW_NO_AUTO_UPDATE=1 \
    -E OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED=1 -E NODE_OPTIONS=--disable-sigusr1 "$@"
}

# validate_config FILE: what OpenClaw says of it, without a network, and in a last line its exit code, if it came to its end.
validate_config() {
  # shellcheck disable=SC2016 # the inner shell expands these
  boxed -p RestrictAddressFamilies=AF_UNIX -E OPENCLAW_CONFIG_PATH="$1" bash -c '"$@"; printf "\nexit code %s" "$?"' validate \
    "$openclaw/bin/node" "$openclaw/bin/openclaw" config validate 2>&1 || : # the line tells
}

# audit_gateway: OpenClaw's own audit of its settings and of the gateway that runs, as JSON.
audit_gateway() {
  boxed "$openclaw/bin/node" /usr/local/vps-scripts/openclaw-audit.mjs "$openclaw"
}

# give_rights: gives user openclaw the rights to its own files back, while the gateway is stopped: without them OpenClaw neither checks a
# configuration nor starts. It takes a minute at most.
give_rights() {
  [[ -d /var/lib/openclaw/.openclaw ]] || return 0
  timeout -s KILL 60 setpriv "${as_openclaw[@]}" find /var/lib/openclaw/.openclaw \
    \( -type d ! -perm -u=rwx -exec chmod u+rwx {} \; \) -o \( -type f ! -perm -u=rw -exec chmod u+rw {} + \) ||
    progress 'WARN user openclaw may not read every file in /var/lib/openclaw/.openclaw'
}

# stage_config: stages openclaw.json with the managed keys on stdin (see openclaw-config.mjs), and has OpenClaw
# check the candidate. Sets candidate (empty if nothing changes) and base, both for swap_config.
stage_config() {
  local said='' code=0
  [[ -x $openclaw/bin/node ]] || fail "$openclaw/bin/node is missing: the openclaw layer comes first"
  request=$(cat)
  try_stage || code=$?
  if ((code == 1)); then
    without_gateway || give_rights # it may be down because of the same
    code=0
    try_stage || code=$?
  fi
  # What somebody mistyped is kept from a mere `up`; who asks for a repair wants the gateway back.
  if ((code == 3)) && [[ -n ${REPAIR-} ]]; then
    stop_gateway
    undo_at_boot "source /usr/local/vps-scripts/gateway.sh; edit_config back $run_id"
    edit_config aside "$run_id" || fail "openclaw.json can't be set aside"
    code=0
    try_stage || code=$?
  fi
  case $code in
    0) ;;
    # What a key holds may be a user's secret: only its name is shown.
    3) fail "$(sed '/^exit code /d; s/, got: .*//' <<<"$said"). Nothing was written. If it isn't what this change brings, run on the host:" \
      "sudo monoclaw-config repair. It starts from the stack's keys alone; yours stay beside it in openclaw.json.set-aside-…" ;;
    *) fail "openclaw.json could not be prepared: $(tail -n 3 <<<"$said" | sed 's/, got: .*//')" ;;
  esac
}

# try_stage: one try at `request`; sets said. 3 if the file, or the candidate, makes no sense to OpenClaw; 1 if a helper failed otherwise.
try_stage() {
  local answer checked code=0
  candidate='' base=''
  {
    answer=$(edit_config stage "$run_id" <<<"$request" 2>&3) || code=$?
  } 3>"$JOURNAL/stage.log"
  said=$(<"$JOURNAL/stage.log")
  ((code == 0 || code == 3)) || return 1
  ((code == 0)) || return 3
  [[ -z $said ]] || progress "$said" # what was set aside
  candidate=${answer% *} base=${answer##* }
  if [[ -n $candidate ]]; then
    # A file that is only just begun has nothing to check yet; the gateway layer completes it.
    [[ $base != none ]] || return 0
    checked=$candidate
  elif [[ -n ${REPAIR-} ]] && ! is_up; then
    checked=/var/lib/openclaw/.openclaw/openclaw.json # the gateway may be down because of it
  else
    return 0
  fi
  progress 'validating openclaw.json'
  said=$(validate_config "$checked")
  case ${said##*$'\n'} in
    'exit code 0') ;;
    'exit code 1')
      # That it may not look is no verdict: the gateway may have taken the rights away for a moment.
      ! grep -qE '\<E(ACCES|PERM|ISDIR|NOTDIR|LOOP)\>' <<<"$said" || return 1
      said="OpenClaw refuses these settings: $said"
      return 3
      ;;
    *) return 1 ;;
  esac
}

# is_base FILE: it holds what the candidate was made from.
is_base() {
  if [[ $base == none ]]; then
    [[ ! -s $1 ]]
  else
    [[ $(sha256sum <"$1") == "$base  -" ]]
  fi
}

# swap_config: the staged candidate becomes openclaw.json; the old one comes back on roll-back. Stop the gateway before.
swap_config() {
  [[ -n $candidate ]] || return 0
  edit_config read >"$JOURNAL/openclaw.json"
  if ! is_base "$JOURNAL/openclaw.json"; then # it changed before the gateway stopped
    stage_config <<<"$request"
    [[ -n $candidate ]] || return 0
    edit_config read >"$JOURNAL/openclaw.json"
  fi
  sync "$JOURNAL/openclaw.json"
  # Not by guard: root must not write into a folder of user openclaw. It needs no service, so it works at boot, too.
  undo_at_boot "source /usr/local/vps-scripts/gateway.sh; edit_config restore $run_id <$JOURNAL/openclaw.json"
  edit_config swap "$run_id" "$base"
  note openclaw.json
}

# stop_gateway [at-once]: stops it if it runs, and makes roll-back end with what was before. It first finishes what it is doing, for up to a
# minute and a half, unless it is to stop at once.
stop_gateway() {
  if is_up; then
    progress 'stopping the gateway'
    undo 'systemctl daemon-reload; systemctl reset-failed openclaw; systemctl start openclaw' || exit
  else
    undo 'systemctl daemon-reload' || exit
  fi
  if [[ -e /etc/systemd/system/openclaw.service ]]; then
    [[ -z ${1-} ]] || systemctl kill --signal=KILL openclaw
    systemctl stop openclaw # one that waits for its next start, too
  fi
  give_rights
}

# http_status: sends the request on stdin, prints the status code of the answer; nothing if there is none.
http_status() {
  # shellcheck disable=SC2016 # the inner shell expands these
  timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/18789 && cat >&3 && IFS=" " read -r _ status _ <&3 && printf %s "$status"' \
    2>/dev/null || : # not listening is an answer, too
}

# token_status TOKEN: 401 if the gateway refuses the token, another code if it accepts it (no such tool exists).
token_status() {
  local body='{"tool":"monoclaw-token-check"}' request
  printf -v request '%s\r\n' 'POST /tools/invoke HTTP/1.0' 'Host: 127.0.0.1' "Authorization: Bearer $1" \
    'Content-Type: application/json' "Content-Length: ${#body}" ''
  http_status <<<"$request$body" # no process list shows it
}

# token_digest TOKEN: its SHA-256, by which a revoked token is known again.
token_digest() {
  sha256sum <<<"$1" | cut -d' ' -f1
}

# place_token TOKEN: puts the token in both of its places. Where openclaw.json has another, the gateway is stopped for it.
place_token() {
  local token=$1 begin={} managed=/etc/monoclaw/openclaw-settings.json
  [[ ! -s $managed ]] || begin=$(<"$managed") # without them the gateway wouldn't start from a new file
  folder 700 root:root /etc/monoclaw
  put 600 root:root /etc/monoclaw/auth-token <<<"$token"
  stage_config <<<"{\"before\": {}, \"now\": {\"gateway\": {\"auth\": {\"token\": \"$token\"}}}, \"begin\": $begin}"
  if [[ -n $candidate ]]; then
    stop_gateway
    swap_config
  fi
  commit
}

# set_token TOKEN: puts the token in both of its places, and makes the gateway take it.
set_token() {
  local token=$1 old='' running=''
  [[ ! -s /etc/monoclaw/auth-token ]] || old=$(</etc/monoclaw/auth-token)
  ! is_up || running=yes
  place_token "$token"
  if [[ -n $running ]] && { [[ -n $candidate ]] || ! systemctl is-active --quiet openclaw; }; then
    start_gateway
    note 'restarted the gateway'
    [[ $(token_status "$token") =~ ^(200|404)$ ]] || fail 'the gateway does not accept the new token'
    [[ -z $old || $old == "$token" || $(token_status "$old") == 401 ]] || fail 'the gateway still accepts the old token'
  fi
}

# gateway_ready SECONDS: waits until the running gateway is ready to serve. Fails when it stops, or the time is up.
gateway_ready() {
  local shown=0 state started waited
  started=$(clock)
  until [[ $(http_status <<<$'GET /startupz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r') == 200 ]]; do
    state=$(systemctl show openclaw -p ActiveState,NRestarts | sort | paste -sd' ')
    waited=$(($(clock) - started))
    [[ $state =~ ^ActiveState=(active|activating)\ NRestarts=[01]$ ]] && ((waited < $1)) || return 1
    if ((waited >= shown + 5)); then
      shown=$waited
      progress "waiting for the gateway, $shown s"
    fi
    sleep 0.1
  done
}

# start_gateway: starts it and waits until it is ready.
start_gateway() {
  local since started
  # Where there is no line yet, an older journalctl fails for want of a cursor.
  since=$(journalctl --unit=openclaw --lines=1 --output=cat --show-cursor --no-pager 2>/dev/null | sed -n 's/^-- cursor: //p') || since=''
  started=$(clock)
  undo 'systemctl stop openclaw'
  systemctl reset-failed openclaw 2>/dev/null || : # nothing to reset on a new host
  systemctl start openclaw
  gateway_ready 180 || {
    journalctl --unit=openclaw ${since:+--after-cursor="$since"} --lines=25 --output=cat --no-pager >&2
    fail "the gateway didn't become ready within $(($(clock) - started)) s; its last lines are above"
  }
  progress "the gateway is ready after $(($(clock) - started)) s"
}
