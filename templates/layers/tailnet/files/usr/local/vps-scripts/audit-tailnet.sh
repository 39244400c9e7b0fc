# shellcheck shell=bash disable=SC2154 # want is audit-words.sh's
# Tailscale Serve, Tailscale Security: how this host stands on its tailnet, what it shows there, and the daemon's sandbox. A tailnet
# that is down only warns: nothing is open that should be closed.
# shellcheck source=templates/layers/gateway/files/usr/local/vps-scripts/audit-sandbox.sh
source /usr/local/vps-scripts/audit-sandbox.sh
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/tailscale.sh
source /usr/local/vps-scripts/tailscale.sh

# down: why the host isn't connected, in words; nothing if it is.
down() {
  case ${tailnet[state]-} in
    down | '') printf 'tailscaled gives no answer' ;;
    Stopped) printf 'disconnected; to mend it: sudo monoclaw-tailscale reconnect' ;;
    *)
      if [[ ${tailnet[login]} != yes ]]; then
        printf 'the login is %s; a new key: %s' "$([[ ${tailnet[login]} == no ]] && printf none || printf 'not valid any more')" "${want[newKey]-}"
      elif [[ ${tailnet[state]} != Running || ${tailnet[online]} != yes || -n ${tailnet[health]} ]]; then
        printf 'not connected: %s' "${tailnet[health]:-${tailnet[state]}}"
      fi
      ;;
  esac
}

connection_row() {
  local reason=$1 soon
  soon=$(date -u -d '+14 days' +%FT%TZ)
  if [[ -n $reason ]]; then
    row WARN 'tailscale' "$reason. Until it is back, only an SSH tunnel leads to the dashboard"
  elif [[ ${tailnet[expiry]} != never && ${tailnet[expiry]} < $soon ]]; then
    row WARN 'tailscale' "this host's key expires at ${tailnet[expiry]}; switch its expiry off in the admin console, or make a new key: ${want[newKey]-}"
  else
    row PASS 'tailscale' "connected as ${tailnet[name]}, key expires: ${tailnet[expiry]}"
  fi
}

# The daemon's own word.
tailnet_rows() {
  local reason
  tailnet_now
  reason=$(down)
  connection_row "$reason"
  if [[ ${tailnet[state]} == down ]]; then
    for name in tailnet settings serve; do
      row WARN "tailscale $name" "$reason"
    done
    return
  fi
  is 'tailscale tailnet' "${tailnet[server]}" "${want[tailnet]}"
  is 'tailscale settings' "${tailnet[settings]}, hostname ${tailnet[hostname]:-not set}" "ok, hostname ${want[hostname]-}"
  if [[ ${tailnet[serve]} == none && -n $reason ]]; then
    row WARN 'tailscale serve' "nothing is served: $reason"
  else
    is 'tailscale serve' "${tailnet[serve]}" "${want[dashboard]-}://${tailnet[name]}/ -> http://127.0.0.1:18789"
  fi
}

# The unit as it was signed, with nothing on top; and what the kernel says of the process.
daemon_rows() {
  local now pid score
  now=$(systemctl show tailscaled.service -p FragmentPath,NeedDaemonReload,DropInPaths,UnitFileState | sort | paste -sd' ')
  now=${now/"/run/systemd/system/service.d/zzz-lxc-service.conf"/} # LXC's own, which only adapts units to the container
  is 'tailscale service' "$now $(sha256sum </etc/systemd/system/tailscaled.service 2>/dev/null | cut -c1-16)" \
    "DropInPaths= FragmentPath=/etc/systemd/system/tailscaled.service NeedDaemonReload=no UnitFileState=enabled ${want[tailscaled]-}"
  score=$(systemd-analyze --no-pager security tailscaled.service 2>/dev/null | sed -n 's/^→ Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p') || score='' # the row fails
  if awk "BEGIN {exit !(${score:-10} <= 1.5)}"; then
    row PASS 'tailscale exposure' "$score of 10 by systemd-analyze security"
  else
    row FAIL 'tailscale exposure' "is ${score:-unknown} of 10 by systemd-analyze security, must be 1.5 or less"
  fi
  is 'tailscale program' "$(readlink -f /usr/bin/tailscale), $(stat -c '%a %U:%G' "/opt/tailscale/${want[tailscale]-}" 2>/dev/null)" \
    "/opt/tailscale/${want[tailscale]-}/tailscale, 755 root:root"
  path 700 tailscale:tailscale /var/lib/tailscale directory
  pid=$(systemctl show tailscaled.service -p MainPID --value)
  if [[ ${pid:-0} == 0 ]]; then
    row WARN 'tailscale process' "tailscaled doesn't run"
    return
  fi
  # 1000 is CAP_NET_ADMIN. A container filters whatever runs in it, so only filters on top of init's are the service's own.
  sandbox_is 'tailscale process' calls "$(readlink "/proc/$pid/exe") $(stat -c '%U:%G' "/proc/$pid") $(
    awk '/^(NoNewPrivs|CapEff|CapBnd):/ {print $1 $2}' "/proc/$pid/status" | paste -sd' '
  ) $( (($(filters "$pid") > $(filters 1))) && echo filtered)" \
    "/opt/tailscale/${want[tailscale]-}/tailscaled tailscale:tailscale CapEff:0000000000001000 CapBnd:0000000000001000 NoNewPrivs:1 filtered"
  sandbox_is 'tailscale sees /' files "$(mounted "$pid" /)" 'ro /'
}

case ${want[tailnet]-} in
  '') row FAIL 'tailscale' 'nothing says whether this host is to be on a tailnet' ;;
  off)
    if command -v tailscale >/dev/null || systemctl is-active --quiet tailscaled; then
      row FAIL 'tailscale' "is not this stack's, and lets its own people in; remove it, as root: apt-get remove tailscale"
    else
      row WARN 'tailscale' 'not installed: only an SSH tunnel leads to the dashboard'
    fi
    ;;
  *)
    tailnet_rows
    daemon_rows
    ;;
esac
