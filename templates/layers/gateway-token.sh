# The gateway's token, in both of its places. The only layer that carries a secret besides the tailnet's, and nothing else.
# document: Gateway Token
# shellcheck source=/dev/null
source /usr/local/vps-scripts/gateway.sh
token={{{token}}}

folder 700 root:root /etc/monoclaw
put 600 root:root /etc/monoclaw/auth-token <<<"$token"
# A shell's built-in and a pipe: no process list shows it.
stage_config <<<"{\"before\": {}, \"now\": {\"gateway\": {\"auth\": {\"token\": \"$token\"}}}}"

if [[ -n $candidate ]]; then
  running=$(systemctl is-active openclaw || :) # its exit code repeats the state
  stop_gateway
  swap_config
  commit
  if [[ $running == active ]]; then
    start_gateway
    note 'restarted the gateway'
  fi
else
  commit
fi
