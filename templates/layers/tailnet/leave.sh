# The way out of the tailnet, which the stack takes before it gives the host up. It stands for the tailnet layer: to join again is newer.
# requirements: Tailscale Serve
{{#soon}}
# Who asks comes in over the tailnet, and is to hear the answer before he is cut off.
systemd-run --quiet --collect --on-active=2s --timer-property=AccuracySec=50ms --property=RuntimeMaxSec=1800 \
  --property=ExecStopPost='/usr/local/vps-scripts/receiver.sh tidy' --setenv=LC_ALL=C.UTF-8 --setenv=HOME=/root \
  -- /usr/local/vps-scripts/receiver.sh leave
progress 'this host leaves its tailnet now'
{{/soon}}
{{^soon}}
if [[ ! -e /usr/local/vps-scripts/leave-tailnet.sh ]]; then # no layer has come so far
  progress 'this host is on no tailnet'
  exit
fi
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/leave-tailnet.sh
source /usr/local/vps-scripts/leave-tailnet.sh
{{/soon}}
