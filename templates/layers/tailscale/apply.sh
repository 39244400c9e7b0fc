# Tailscale: the pinned release in a folder of its own, and its daemon as a user of its own in a sandbox. The tailnet layer joins.
#   /opt/tailscale/ID       root's; there only once it is whole, then never changed
#   /opt/tailscale/current  link to the one that runs
# requirements: Tailscale Serve
id={{{id}}}
version={{{version}}}
opt=/opt/tailscale
unit=/etc/systemd/system/tailscaled.service

# shellcheck source=templates/runtime/files/usr/local/vps-scripts/tailscale.sh
source /usr/local/vps-scripts/tailscale.sh

# shellcheck disable=SC2016 # dpkg's own variable
if [[ $(dpkg-query -W -f '${db:Status-Status}' tailscale 2>/dev/null) == installed ]]; then
  fail 'this host has Tailscale as a package, which the program would not keep as it is pinned. To hand it over with its login,' \
    'run there, as root: apt-get remove -y tailscale; to do without the tailnet: pulumi config set --path monoclaw:tailnet.enabled false'
fi
[[ -c /dev/net/tun ]] || fail 'this host has no /dev/net/tun, which Tailscale needs: switch it on at the provider (TUN/TAP),' \
  'or do without the tailnet: pulumi config set --path monoclaw:tailnet.enabled false'

case $(uname -m) in
  x86_64) arch=amd64 sha256={{{amd64}}} ;;
  aarch64) arch=arm64 sha256={{{arm64}}} ;;
  *) fail "this host is a $(uname -m); Tailscale is pinned for x86_64 and aarch64" ;;
esac
archive={{{baseUrl}}}tailscale_${version}_$arch.tgz

if ! id -u tailscale >/dev/null 2>&1; then
  guard /etc/passwd /etc/shadow /etc/group /etc/gshadow
  useradd --system --user-group --home-dir /var/lib/tailscale --no-create-home --shell /usr/sbin/nologin tailscale
  note 'user tailscale'
fi
folder 755 root:root "$opt"

# Where systemd-resolved has the names, the daemon is to ask it as anybody does: by what looks like a plain name server.
if grep -qx 'nameserver 127.0.0.53' /etc/resolv.conf; then
  put 644 root:root "$opt/resolv.conf" <<<'nameserver 127.0.0.53'
elif [[ -e $opt/resolv.conf ]]; then
  guard "$opt/resolv.conf"
  rm -f -- "$opt/resolv.conf"
fi

# unpack: fetches the archive as a user without rights, and unpacks it once it is known to be the pinned one.
unpack() {
  local build=$opt/.build name=tailscale_${version}_$arch now
  command -v python3 >/dev/null || packages python3
  rm -rf -- "$build"
  undo "rm -rf -- $build"
  install -d -m 700 "$build" "$build/$id"
  systemd-run --quiet --pipe --wait --collect --service-type=exec -p User=tailscale -p UMask=077 -p WorkingDirectory=/ \
    -p NoNewPrivileges=yes -p CapabilityBoundingSet= -p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes \
    -p RestrictAddressFamilies="AF_UNIX AF_INET AF_INET6" -p RuntimeMaxSec=600 \
    /usr/local/vps-scripts/fetch-file "$archive" </dev/null >"$build/archive" 2>"$build/log" ||
    fail "Tailscale could not be fetched: $(tail -n 1 "$build/log")"
  now=$(sha256sum <"$build/archive")
  [[ ${now%% *} == "$sha256" ]] ||
    fail "$archive has the SHA-256 ${now%% *}, but $sha256 is pinned; nothing of it was unpacked"
  tar -xzf "$build/archive" -C "$build/$id" --strip-components=1 --no-same-owner --no-same-permissions "$name/tailscale" "$name/tailscaled"
  chown -R root:root "$build/$id"
  chmod 755 "$build/$id" "$build/$id"/*
  sync -f "$build/$id" # a power cut must not leave a folder that looks whole
  undo "rm -rf -- $opt/$id"
  mv -T -- "$build/$id" "$opt/$id"
  rm -rf -- "$build"
  note "Tailscale $version in $opt/$id"
}
# What others could have written is not what was pinned.
if [[ -e $opt/$id && -n $(find "$opt/$id" \( ! -user root -o -perm /022 -o ! -type f ! -type d \) -print -quit) ]]; then
  rm -rf -- "$opt/.suspect"
  undo "mv -T -- $opt/.suspect $opt/$id"
  mv -T -- "$opt/$id" "$opt/.suspect"
  note "$opt/$id was not root's alone"
fi
if [[ ! -d $opt/$id ]]; then
  progress "fetching Tailscale $version"
  unpack
fi
state_mended=''
if [[ ! -d /var/lib/tailscale ]]; then
  undo 'rm -rf -- /var/lib/tailscale'
else
  owned 700 tailscale:tailscale /var/lib/tailscale
  # What a daemon that ran as root has left.
  if [[ -n $(find /var/lib/tailscale ! -user tailscale -print -quit) ]]; then
    chown -Rh tailscale:tailscale /var/lib/tailscale
    note 'owner of the state in /var/lib/tailscale'
    state_mended=yes
  fi
fi

# link TARGET PATH: PATH leads to TARGET.
link() {
  if [[ $(readlink "$2") != "$1" ]]; then
    guard "$2"
    ln -sfnT "$1" "${2%/*}/.${2##*/}.new"
    mv -fT -- "${2%/*}/.${2##*/}.new" "$2"
    note "$2"
  fi
}

# in_force: the daemon answers, and is the pinned program, as the unit says.
in_force() {
  local now
  systemctl is-active --quiet tailscaled && systemctl is-enabled --quiet tailscaled || return 1
  now=$(systemctl show tailscaled -p FragmentPath,NeedDaemonReload,NoNewPrivileges,User,MainPID | sort | paste -sd' ')
  [[ $now =~ ^FragmentPath=$unit\ MainPID=([0-9]+)\ NeedDaemonReload=no\ NoNewPrivileges=yes\ User=tailscale$ ]] || return 1
  [[ $(readlink "/proc/${BASH_REMATCH[1]}/exe") == "$opt/$id/tailscaled" && $(stat -c %U "/proc/${BASH_REMATCH[1]}") == tailscale ]] || return 1
  tailnet_now
  [[ ${tailnet[state]} != down ]]
}

put 644 root:root "$unit" {{{unit}}}
# Nobody but this layer says how it runs.
mapfile -t dropins < <(systemctl show tailscaled.service -p DropInPaths --value | grep -oE '[^ ]+/tailscaled\.service\.d/[^ ]+')
if changed "$unit"; then
  install -D -m 644 "$(staged "$unit")" "$JOURNAL/verify/tailscaled.service"
  sed -i "s|/opt/tailscale/current/|$opt/$id/|" "$JOURNAL/verify/tailscaled.service"
  errors=$(systemd-analyze verify --man=no "$JOURNAL/verify/tailscaled.service" 2>&1 | grep -F tailscaled.service || :)
  [[ -z $errors ]] || fail "systemd refuses tailscaled.service: $errors"
fi
if [[ $(readlink "$opt/current") != "$id" || $(readlink /usr/bin/tailscale) != "$opt/current/tailscale" ]] ||
  ((${#dropins[@]} > 0)) || changed "$unit" "$opt/resolv.conf" || [[ -n $state_mended ]] || ! in_force; then
  # Once the files are back, the daemon is again what it was.
  if systemctl is-active --quiet tailscaled; then
    undo 'systemctl daemon-reload; systemctl restart tailscaled'
  else
    undo 'systemctl daemon-reload; systemctl reset-failed tailscaled 2>/dev/null || :'
    undo 'systemctl stop tailscaled'
  fi
  keep_state
  link "$id" "$opt/current"
  link "$opt/current/tailscale" /usr/bin/tailscale
  if ((${#dropins[@]} > 0)); then
    guard "${dropins[@]}"
    rm -f -- "${dropins[@]}"
    note "removed ${dropins[*]}"
  fi
  commit
  systemctl daemon-reload
  enable tailscaled.service
  systemctl restart tailscaled || fail "tailscaled doesn't start: $(journalctl -u tailscaled -n 5 -o cat --no-pager | paste -sd' ')"
  note 'started tailscaled'
  tailnet_until 20 state Running Stopped NeedsLogin Starting NoState NeedsMachineAuth || fail 'tailscaled gives no answer'
  in_force || fail "tailscaled doesn't run as it should; see: journalctl -u tailscaled"
fi
rm -rf -- "$opt/.suspect"
# What ran before stays for one more change; anything older goes.
for old in "$opt"/*/; do
  old=$(basename "$old")
  if [[ ! -L $opt/$old && $old != "$id" && $(find "$opt/$old" -maxdepth 0 -mtime +30) ]]; then
    rm -rf -- "${opt:?}/$old"
    note "removed $opt/$old"
  fi
done
