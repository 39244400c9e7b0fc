# Node.js, npm and OpenClaw, each package checked against its pinned hash, in a version folder of their own:
#   /opt/openclaw/ID       root's, sealed; there only once it is whole, then never changed
#   /opt/openclaw/current  link to the newest one, for people; services name their version folder
# requirements: none (software that the requirements take for granted)
id={{{id}}}
registry={{{registry}}}
opt=/opt/openclaw
scripts=/usr/local/vps-scripts

case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) fail "this host is a $(uname -m); OpenClaw's packages are pinned for x86_64 and aarch64" ;;
esac

folder 755 root:root "$scripts"
put 755 root:root "$scripts/fetch-packages" {{{fetchPackages}}}
put 644 root:root "$scripts/openclaw-config.mjs" {{{openclawConfig}}}
put 644 root:root "$scripts/openclaw-client.mjs" {{{openclawClient}}}
put 644 root:root "$scripts/openclaw-audit.mjs" {{{openclawAudit}}}
put 644 root:root "$scripts/openclaw-devices.mjs" {{{openclawDevices}}}
put 755 root:root "$scripts/sandbox-check" {{{sandboxCheck}}}
put 644 root:root "$scripts/gateway.sh" {{{gatewayLib}}}
commit
folder 755 root:root "$opt"

# build: fetches and unpacks everything as user nobody, away from all other processes of that user, and sees no secret.
# Not with DynamicUser: that blocks openat2, as RestrictSUIDSGID does, and newer versions of tar unpack with it.
build() {
  local build=$opt/.build place=$opt free
  local -a box
  free=$(df --output=avail -BM "$opt" | tail -n 1)
  ((${free//[!0-9]/} >= 1500)) || fail "$opt has ${free// /} free; a version of OpenClaw needs 1500M while it is built"
  command -v python3 >/dev/null || packages python3
  rm -rf -- "$build"
  undo "rm -rf -- $build"
  install -d -m 700 "$build" # nobody but root gets through it
  install -d -m 700 -o nobody -g nogroup "$build/tree"
  cat >"$build/list" {{{packages}}}
  cat >"$build/script" <<'BUILD'
set -euo pipefail
cd "$4"
/usr/local/vps-scripts/fetch-packages "$1" "$2"
chmod -R u+rwX,go+rX -- *
# OpenClaw's own lifecycle step, and no other package's; it removes its mark when it is done.
PATH=$4/bin:$PATH npm --prefix node_modules/openclaw run --silent postinstall
[[ ! -e node_modules/openclaw/.openclaw-lifecycle-pending ]]
[[ $(bin/node bin/openclaw --version) == "OpenClaw $3 "* ]]
BUILD
  box=(-p PrivateUsers=yes -p BindPaths="$build/tree:$opt" -p InaccessiblePaths="-/etc/monoclaw -/var/lib/monoclaw -/var/lib/openclaw"
    -p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes -p RemoveIPC=yes -p PrivateDevices=yes -p ProtectProc=invisible -p ProtectKernelTunables=yes
    -p ProtectKernelModules=yes -p ProtectKernelLogs=yes -p ProtectControlGroups=yes)
  if systemd-detect-virt --quiet --container && ! systemd-run --quiet --wait --collect "${box[@]}" true 2>"$JOURNAL/build.log"; then
    progress "WARN this container has no namespaces: OpenClaw is unpacked by user nobody, without a place of its own"
    box=() place=$build/tree
    chmod 711 "$build"
  fi
  # With a description: an older systemd would write the many lines of the command into the unit file in its place.
  systemd-run --quiet --pipe --wait --collect --service-type=exec "${box[@]}" -p User=nobody -p Group=nogroup -p UMask=022 -p NoNewPrivileges=yes \
    -p RestrictNamespaces=yes -p RestrictAddressFamilies="AF_UNIX AF_INET AF_INET6" -p CapabilityBoundingSet= \
    -p SystemCallFilter=@system-service -p SystemCallErrorNumber=EPERM -p RuntimeMaxSec=1200 \
    -E HOME="$place/.home" -E NODE_OPTIONS=--use-system-ca -E npm_config_update_notifier=false \
    --description="build of OpenClaw ${id%-*}" bash -c "$(<"$build/script")" build "$registry" "$arch" "${id%-*}" "$place" <"$build/list" ||
    fail "OpenClaw ${id%-*} could not be installed from $registry; nothing of it was kept. The lines above say why"
  rm -rf -- "$build/tree/.home"
  chown -R -h root:root "$build/tree"
  chmod -R go-w,a-s "$build/tree"
  chmod 755 "$build/tree"
  sync -f "$build/tree" # a power cut must not leave a folder that looks whole
  mv -T -- "$build/tree" "$opt/$id"
  rm -rf -- "$build"
  note "OpenClaw ${id%-*} in $opt/$id"
}

if [[ ! -d $opt/$id ]]; then
  progress "fetching OpenClaw ${id%-*} with Node.js and npm, about 200 MB"
  undo "rm -rf -- $opt/$id"
  build
fi
[[ $(stat -c '%u %a' "$opt/$id") == '0 755' ]] || fail "$opt/$id isn't root's with mode 755; move it away and run pulumi up again"

previous=$(readlink "$opt/current" || :) # none yet on a new host
if [[ $previous != "$id" ]]; then
  guard "$opt/current"
  ln -sfn "$id" "$opt/.current.new"
  mv -fT -- "$opt/.current.new" "$opt/current"
  note "$opt/current"
  # What the running service and the previous layer run used stays; anything older goes.
  for old in "$opt"/*/; do
    old=$(basename "$old")
    if [[ ! -L $opt/$old && $old != "$id" && $old != "$previous" ]] &&
      ! grep -qsF "$opt/$old/" /etc/systemd/system/openclaw.service; then
      rm -rf -- "${opt:?}/$old"
      note "removed $opt/$old"
    fi
  done
fi
