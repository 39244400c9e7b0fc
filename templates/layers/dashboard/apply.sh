# The dashboard on the tailnet, and nothing else: `tailscale serve` answers there, within WireGuard, for the gateway on loopback.
# requirements: Tailscale Serve
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/tailscale.sh
source /usr/local/vps-scripts/tailscale.sh
scheme={{{scheme}}}
port={{{port}}}

tailnet_until 20 name + || :
[[ ${tailnet[state]} != down ]] || fail 'tailscaled gives no answer; to mend it, run on the host: sudo monoclaw-config repair'
[[ ${tailnet[login]} == yes ]] || fail 'this host is on no tailnet; a new key for it comes with:' {{{newKey}}}
settle_tailnet {{{hostname}}}
name=${tailnet[name]}
[[ -n $name ]] || fail "the tailnet's control server doesn't answer, so this host's name isn't known: ${tailnet[health]:-Tailscale is ${tailnet[state]}}"
if [[ $scheme == https && ${tailnet[https]} != yes ]]; then
  fail 'this tailnet gives out no certificates. Switch them on (HTTPS Certificates, on the DNS page of its admin console),' \
    'or serve by HTTP, within WireGuard: pulumi config set --path monoclaw:tailnet.https false'
fi
wanted="$scheme://$name/ -> http://127.0.0.1:{{{gatewayPort}}}"
if [[ ${tailnet[serve]} != "$wanted" ]]; then
  keep_state
  # All in one piece: what else was served to others, or to the whole internet, is gone with it.
  printf '{"TCP": {"%s": {"%s": true}}, "Web": {"%s:%s": {"Handlers": {"/": {"Proxy": "http://127.0.0.1:{{{gatewayPort}}}"}}}}}' \
    "$port" "${scheme^^}" "$name" "$port" | timeout 20 tailscale serve set-raw 2>"$JOURNAL/tailscale.log" ||
    fail "Tailscale doesn't serve the dashboard: $(tail -n 1 "$JOURNAL/tailscale.log")"
  note "serves $wanted"
  tailnet_now
  [[ ${tailnet[serve]} == "$wanted" ]] || fail "Tailscale serves something else: ${tailnet[serve]}"
fi
# The program reads the address from this line.
progress "$scheme://$name"
