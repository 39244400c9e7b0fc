# No tailnet: the host leaves the one that it is on, and what the tailscale layer had installed goes. Somebody else's Tailscale
# stays as it is.
# requirements: none (the way without Tailscale Serve)
opt=/opt/tailscale
unit=/etc/systemd/system/tailscaled.service

if grep -qs '^# Made by the tailscale layer' "$unit" || [[ $(readlink /usr/bin/tailscale) == "$opt"/* ]]; then
  # shellcheck source=templates/runtime/files/usr/local/vps-scripts/tailscale.sh
  source /usr/local/vps-scripts/tailscale.sh
  # It is asked for the log-out, so it must run.
  [[ ! -s $tailscale_state ]] || timeout 30 systemctl start tailscaled.service ||
    progress "WARN tailscaled doesn't start, so the host doesn't log out; delete its device in the admin console"
  tailnet_now
  if [[ ${tailnet[login]} != no ]]; then
    leave_tailnet ||
      progress "WARN the control server didn't take the log-out; delete this host's device there: ${tailnet[name]}"
    note 'left the tailnet'
  fi
  undo 'systemctl daemon-reload'
  systemctl disable --quiet --now tailscaled.service
  guard "$unit" /usr/bin/tailscale "$opt/current"
  rm -f -- "$unit" /usr/bin/tailscale "$opt/current"
  systemctl daemon-reload
  rm -rf -- "$opt" /var/lib/tailscale
  note 'removed Tailscale'
fi
if id -u tailscale >/dev/null 2>&1 && [[ ! -e $opt && $(getent passwd tailscale | cut -d: -f6) == /var/lib/tailscale ]]; then
  guard /etc/passwd /etc/shadow /etc/group /etc/gshadow
  userdel tailscale
  note 'removed user tailscale'
fi
# A repair has nothing to serve any more.
if [[ -e /var/lib/monoclaw/envelopes/dashboard ]]; then
  guard /var/lib/monoclaw/envelopes/dashboard
  rm -f -- /var/lib/monoclaw/envelopes/dashboard
fi
