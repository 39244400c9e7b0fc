# shellcheck shell=bash
# What the layers that touch the gateway share. They source this file, after layer.sh.

openclaw=/opt/openclaw/current
config=/var/lib/openclaw/.openclaw/openclaw.json

# as_openclaw COMMAND...: runs it as user openclaw, who may write its home and nothing else.
as_openclaw() {
  systemd-run --quiet --pipe --wait --collect --service-type=exec -p User=openclaw -p UMask=077 -p WorkingDirectory=/ \
    -p NoNewPrivileges=yes -p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes -p PrivateDevices=yes \
    -p ReadWritePaths=/var/lib/openclaw -p CapabilityBoundingSet= -p PrivateNetwork=yes -p RuntimeMaxSec=120 \
    -E HOME=/var/lib/openclaw -E NODE_COMPILE_CACHE=/var/lib/openclaw/.cache/node \
    -E OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED=1 -E OPENCLAW_NO_AUTO_UPDATE=1 "${@:2}"
}

# edit_config COMMAND...: openclaw-config.mjs, see there.
edit_config() {
  [[ -x $openclaw/bin/node ]] || fail "$openclaw/bin/node is missing: the openclaw layer comes first"
  as_openclaw - "$openclaw/bin/node" /usr/local/vps-scripts/openclaw-config.mjs "$@"
}

# stage_config: stages openclaw.json with the managed keys {"before": {…}, "now": {…}} on stdin, and checks it with
# OpenClaw itself. Sets candidate (empty if nothing changes) and base for swap_config.
stage_config() {
  local answer errors
  answer=$(edit_config stage)
  candidate=${answer% *} base=${answer##* }
  [[ -n $candidate ]] || return 0
  progress 'validating openclaw.json'
  errors=$(as_openclaw "OPENCLAW_CONFIG_PATH=$candidate" "$openclaw/bin/node" "$openclaw/bin/openclaw" config validate 2>&1) ||
    fail "OpenClaw refuses these settings: $errors"
}
