# shellcheck shell=bash
# What the layers that touch the gateway share. They source this file, after layer.sh.

openclaw=/opt/openclaw/current

# as_openclaw COMMAND...: runs a command of the system's as user openclaw.
as_openclaw() {
  setpriv --reuid=openclaw --regid=openclaw --clear-groups --no-new-privs --bounding-set=-all --reset-env -- "$@"
}

# edit_config ARGUMENT...: changes openclaw.json, see openclaw-config.mjs.
edit_config() {
  as_openclaw "$openclaw/bin/node" /usr/local/vps-scripts/openclaw-config.mjs "$@"
}

# forget_code ID: removes compiled code of other versions than ID.
forget_code() {
  # shellcheck disable=SC2016 # the inner shell expands these
  as_openclaw bash -c 'cd ~/.cache/node && find . -mindepth 1 -maxdepth 1 ! -name "$1" -exec rm -rf -- {} +' forget "$1"
}

# validate_config FILE: OpenClaw's own verdict. It may load plugins of the user's, so it runs as user openclaw in a box.
validate_config() {
  systemd-run --quiet --pipe --wait --collect --service-type=exec -p User=openclaw -p UMask=077 -p WorkingDirectory=/ \
    -p NoNewPrivileges=yes -p CapabilityBoundingSet= -p ProtectSystem=strict -p ReadWritePaths=/var/lib/openclaw \
    -p ProtectHome=yes -p PrivateTmp=yes -p PrivateDevices=yes -p PrivateNetwork=yes -p RuntimeMaxSec=120 \
    -E HOME=/var/lib/openclaw -E OPENCLAW_CONFIG_PATH="$1" -E OPENCLAW_NO_AUTO_UPDATE=1 \
    -E NODE_COMPILE_CACHE="/var/lib/openclaw/.cache/node/$(readlink "$openclaw")" -E OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED=1 \
    "$openclaw/bin/node" "$openclaw/bin/openclaw" config validate 2>&1
}

# stage_config: stages openclaw.json with the managed keys on stdin ({"before": {…}, "now": {…}}), and has OpenClaw
# check the candidate. Sets candidate (empty if nothing changes) and base, both for swap_config.
stage_config() {
  local answer errors
  [[ -x $openclaw/bin/node ]] || fail "$openclaw/bin/node is missing: the openclaw layer comes first"
  answer=$(edit_config stage)
  candidate=${answer% *} base=${answer##* }
  # A file that is only just begun has nothing to check yet; the gateway layer completes it.
  [[ -n $candidate && $base != none ]] || return 0
  progress 'validating openclaw.json'
  # What a key holds may be a user's secret: only its name is shown.
  errors=$(validate_config "$candidate" | sed 's/, got: .*//') || fail "OpenClaw refuses these settings: $errors"
}

# swap_config: the staged candidate becomes openclaw.json; the old one comes back on roll-back. Stop the gateway before.
swap_config() {
  [[ -n $candidate ]] || return 0
  edit_config read >"$JOURNAL/openclaw.json"
  sync "$JOURNAL/openclaw.json"
  # Not by guard: root must not write into a folder of user openclaw. It needs no service, so it works at boot, too.
  undo ": boot; source /usr/local/vps-scripts/gateway.sh; edit_config restore <$JOURNAL/openclaw.json"
  edit_config swap "$base"
  note openclaw.json
}

# stop_gateway: stops it if it runs, and makes roll-back end with what was before. It first finishes what it is doing.
stop_gateway() {
  if systemctl is-active --quiet openclaw; then
    progress 'stopping the gateway'
    undo 'systemctl daemon-reload; systemctl reset-failed openclaw; systemctl start openclaw'
  else
    undo 'systemctl daemon-reload'
  fi
  if [[ -e /etc/systemd/system/openclaw.service ]]; then
    systemctl stop openclaw # one that waits for its next start, too
  fi
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

# gateway_ready SECONDS: waits until the running gateway is ready to serve. Fails when it stops, or the time is up.
gateway_ready() {
  local started=$SECONDS shown=0 state
  until [[ $(http_status <<<$'GET /startupz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r') == 200 ]]; do
    state=$(systemctl show openclaw -p ActiveState,NRestarts | sort | paste -sd' ')
    [[ $state =~ ^ActiveState=(active|activating)\ NRestarts=[01]$ ]] && ((SECONDS - started < $1)) || return 1
    if ((SECONDS - started >= shown + 5)); then
      shown=$((SECONDS - started))
      progress "waiting for the gateway, $shown s"
    fi
    sleep 0.1
  done
}

# start_gateway: starts it and waits until it is ready.
start_gateway() {
  local started=$SECONDS since=$EPOCHSECONDS
  undo 'systemctl stop openclaw'
  systemctl reset-failed openclaw 2>/dev/null || : # nothing to reset on a new host
  systemctl start openclaw
  gateway_ready 180 || {
    journalctl --unit=openclaw --since="@$since" --lines=25 --output=cat --no-pager >&2
    fail "the gateway didn't become ready within $((SECONDS - started)) s; its last lines are above"
  }
  progress "the gateway is ready after $((SECONDS - started)) s"
}
