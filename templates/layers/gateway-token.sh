# The gateway's token, in both of its places. The only layer that carries a secret besides the tailnet's, and nothing else.
# document: Gateway Token
# shellcheck source=/dev/null
source /usr/local/vps-scripts/gateway.sh
token={{{token}}}

folder 700 root:root /etc/monoclaw
old=
[[ ! -s /etc/monoclaw/auth-token ]] || old=$(</etc/monoclaw/auth-token)
put 600 root:root /etc/monoclaw/auth-token <<<"$token"
stage_config <<<"{\"before\": {}, \"now\": {\"gateway\": {\"auth\": {\"token\": \"$token\"}}}}"

if [[ -n $candidate ]]; then
  running=$(systemctl is-active openclaw || :) # its exit code repeats the state
  stop_gateway
  swap_config
  commit
  if [[ $running == active ]]; then
    start_gateway
    note 'restarted the gateway'
    [[ $(token_status "$token") =~ ^(200|404)$ ]] || fail 'the gateway does not accept the new token'
    [[ -z $old || $old == "$token" || $(token_status "$old") == 401 ]] || fail 'the gateway still accepts the old token'
  fi
else
  commit
fi
