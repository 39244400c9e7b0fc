# shellcheck shell=bash
# What the layers of the tailnet share. They source this file, after layer.sh.

readonly tailscale_state=/var/lib/tailscale/tailscaled.state
declare -A tailnet=()

# tailnet_now: reads how this host stands on its tailnet into `tailnet`, see tailnet-facts.
tailnet_now() {
  local line
  tailnet=()
  while IFS= read -r line; do
    tailnet[${line%%=*}]=${line#*=}
  done < <(/usr/local/vps-scripts/tailnet-facts)
}

# tailnet_until SECONDS KEY VALUE...: waits until one of the values is the key's; false when the time is up. + is any but none.
tailnet_until() {
  local deadline key=$2 value
  deadline=$(($(clock) + $1))
  shift 2
  while :; do
    tailnet_now
    for value in "$@"; do
      if [[ ${tailnet[$key]-} == "$value" ]] || [[ $value == + && -n ${tailnet[$key]-} ]]; then
        return 0
      fi
    done
    (($(clock) < deadline)) || return 1
    sleep 0.2
  done
}

# keep_state: on roll-back, the daemon's login, settings and what it serves are as they are now.
keep_state() {
  local old
  if grep -qxF "$tailscale_state" "$JOURNAL/paths"; then
    return
  fi
  guard "$tailscale_state"
  old=$JOURNAL/$(($(grep -nxF "$tailscale_state" "$JOURNAL/paths" | cut -d: -f1) - 1))
  # It writes its file from memory, so it must be down meanwhile.
  undo "systemctl stop tailscaled; rm -f $tailscale_state; [[ ! -e $old ]] || cp -aT $old $tailscale_state; systemctl start tailscaled"
}

# renamed HOSTNAME: waits a while for the name to follow. It needn't: another device may have it, or an administrator has changed it.
renamed() {
  local deadline
  deadline=$(($(clock) + 15))
  tailnet_now
  while [[ ${tailnet[name]-} != "$1"[.-]* ]] && (($(clock) < deadline)); do
    sleep 0.2
    tailnet_now
  done
}

# settle_tailnet HOSTNAME: this program's settings; the flags are WANTED of tailnet-facts. Nothing is advertised or accepted,
# nobody logs in by it, and it makes no firewall rules: so ufw filters its interface as any other.
settle_tailnet() {
  if [[ ${tailnet[settings]} != ok || ${tailnet[hostname]} != "$1" ]]; then
    keep_state
    note "settings of Tailscale (${tailnet[settings]/#ok/hostname is ${tailnet[hostname]:-not set}})"
    timeout 20 tailscale set --hostname="$1" --netfilter-mode=off --accept-routes=false --accept-dns=false --ssh=false \
      --webclient=false --shields-up=false --exit-node= --advertise-routes= --advertise-exit-node=false \
      --advertise-connector=false --operator= --report-posture=false --auto-update=false --relay-server-port= \
      </dev/null >"$JOURNAL/tailscale.log" 2>&1 || fail "Tailscale refuses these settings: $(tail -n 1 "$JOURNAL/tailscale.log")"
    renamed "$1"
    [[ ${tailnet[settings]} == ok && ${tailnet[hostname]} == "$1" ]] || fail "Tailscale's settings aren't as they should be: ${tailnet[settings]}"
  fi
  if [[ ${tailnet[state]} == Stopped ]]; then
    keep_state
    timeout 20 tailscale up --timeout=15s </dev/null >"$JOURNAL/tailscale.log" 2>&1 || : # without the control server it only tries
    note 'connected Tailscale'
    tailnet_now
  fi
}

# leave_tailnet: logs this host's device out of its tailnet. False if the control server doesn't take that in time.
leave_tailnet() {
  keep_state
  timeout -k 1 20 tailscale logout </dev/null >"$JOURNAL/tailscale.log" 2>&1
}
