# The gateway's token, in both of its places. The only layer that carries a secret besides the tailnet's, and nothing else.
# requirements: Gateway token
# shellcheck source=/dev/null
source /usr/local/vps-scripts/gateway.sh
token={{{token}}}

secret
if grep -qsxF "$(token_digest "$token")" /etc/monoclaw/revoked-tokens; then
  fail "the token was regenerated on this host, and the stack still has the revoked one. To make a new one for both," \
    "run: $(sed -n 's/^rotateToken=//p' /etc/monoclaw/expected)"
fi
set_token "$token"
if [[ -e /etc/monoclaw/token-regenerated ]]; then
  guard /etc/monoclaw/token-regenerated
  rm -f /etc/monoclaw/token-regenerated
  note "took the token over"
fi
