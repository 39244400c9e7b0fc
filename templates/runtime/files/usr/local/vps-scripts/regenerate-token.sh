# shellcheck shell=bash
# A new gateway token, made on this host: the old one is refused from then on, by the gateway and by the token layer.
# The receiver runs it as it runs a layer, all or nothing.
# requirements: Gateway token
# shellcheck source=templates/layers/openclaw/files/usr/local/vps-scripts/gateway.sh
source /usr/local/vps-scripts/gateway.sh

[[ -s /etc/monoclaw/auth-token ]] || fail 'there is no token yet: pulumi up brings the first one'
revoked=$(token_digest "$(</etc/monoclaw/auth-token)")
token=$(openssl rand -hex 32)
[[ $token =~ ^[0-9a-f]{64}$ ]] || fail 'openssl gave no 256 bits'
set_token "$token"
known=''
[[ ! -s /etc/monoclaw/revoked-tokens ]] || known=$(</etc/monoclaw/revoked-tokens)
put 600 root:root /etc/monoclaw/revoked-tokens <<<"${known:+$known$'\n'}$revoked"
put 600 root:root /etc/monoclaw/token-regenerated <<<"$(date -u +%FT%TZ)"
commit
progress 'made a new token; the old one is refused. To see it: sudo monoclaw-config show-token'
progress "The stack doesn't know it. To take over with a new one for both, run: $(sed -n 's/^rotateToken=//p' /etc/monoclaw/expected)"
