# This host's place on the tailnet. It joins with an auth key that the join uses up; a host that is on the right tailnet doesn't
# need the key. One of the two layers that carry a secret, and nothing else.
# requirements: Tailscale Serve
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/tailscale.sh
source /usr/local/vps-scripts/tailscale.sh
key={{{authKey}}}
hostname={{{hostname}}}
server={{{loginServer}}}
tags={{{tags}}}

secret
tailnet_now
[[ ${tailnet[state]} != down ]] || fail 'tailscaled gives no answer: the tailscale layer comes first'

# join: by the key, which goes through a pipe. An expired login keeps its device, another server's is replaced.
join() {
  local said code=0
  local -a again=()
  [[ ${tailnet[login]} == no ]] || again=(--force-reauth)
  keep_state
  progress "joining the tailnet of $server"
  said=$(printf '%s' "$key" | timeout -k 1 60 tailscale up --reset "${again[@]}" --login-server="$server" --hostname="$hostname" \
    --auth-key=file:/dev/stdin --netfilter-mode=off --accept-dns=false --timeout=45s 2>&1) || code=$?
  ((code == 0)) || fail "$server didn't take this host: $(tail -n 1 <<<"${said//"$key"/the key}" | tr -s '\n\t ' ' ')." \
    "If the key was used or has expired, a new one comes with:" {{{newKey}}}
  undo 'timeout -k 1 20 tailscale logout </dev/null'
  note "joined the tailnet of $server"
  tailnet_until 20 name + || fail "$server gave this host no name"
}

# Tags come with a key alone. They are known as soon as the name is.
if [[ ${tailnet[login]} != yes || ${tailnet[server]} != "$server" || (-n ${tailnet[name]} && ${tailnet[tags]} != "$tags") ]]; then
  join
fi
settle_tailnet "$hostname"
[[ ${tailnet[login]} == yes && ${tailnet[server]} == "$server" ]] ||
  fail "this host isn't on the tailnet of $server: Tailscale says ${tailnet[state]} at ${tailnet[server]}"
if ! tailnet_until 15 state Running; then
  progress "WARN the host is on the tailnet, but not connected: ${tailnet[health]:-Tailscale is ${tailnet[state]}}"
fi
