# shellcheck shell=bash
# Takes this host off its tailnet, so that no device is left there when the host goes. The receiver runs it as it runs a layer.
# requirements: Tailscale Serve
if [[ ! -x /usr/bin/tailscale ]]; then
  progress 'this host is on no tailnet'
  exit
fi
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/tailscale.sh
source /usr/local/vps-scripts/tailscale.sh

if [[ ! -s $tailscale_state ]]; then
  progress 'this host is on no tailnet'
  exit
fi
timeout 30 systemctl start tailscaled || fail "tailscaled doesn't start; see: journalctl -u tailscaled"
tailnet_now
if [[ ${tailnet[login]} == no ]]; then
  progress 'this host is on no tailnet'
  exit
fi
leave_tailnet || fail "${tailnet[server]} didn't take the log-out: $(tail -n 1 "$JOURNAL/tailscale.log"). To go on without, delete the device" \
  "${tailnet[name]:-${tailnet[hostname]}} there"
note "left the tailnet of ${tailnet[server]}"
