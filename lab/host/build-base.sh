#!/usr/bin/env bash
# Builds the root file system that lab hosts of one Debian suite share, and moves it into place when it is whole.
#
#   build-base.sh SUITE TARGET WORK_DIR PACKAGES CA_DIR MIRROR SECURITY_MIRROR [APT_OPTION...]
#
# PACKAGES is comma separated. An empty MIRROR leaves the choice to mmdebstrap's own default.
# TARGET must not exist; WORK_DIR is beside it, on the same file system.
set -euo pipefail

# What makes a plain Debian into a lab host: settings only, no package of ours.
customize() {
  local root=$1 suite=$2 ca_dir=$3

  # cloud-init reads only the seed that the lab writes; networkd applies the network part of it.
  mkdir -p "$root/etc/cloud/cloud.cfg.d"
  cat >"$root/etc/cloud/cloud.cfg.d/90-lab.cfg" <<'CFG'
# The provider's part of the image, as on Hetzner's own: root logs in with the keys of the API call, no default user.
datasource_list: [NoCloud, None]
system_info:
  network:
    renderers: [networkd]
users: []
disable_root: false
# Addresses come anew at each boot, as they do there by DHCP.
updates:
  network:
    when: [boot]
CFG

  # A host is alone on its cable: no second spent on looking for another one with its IPv6 address.
  mkdir -p "$root/etc/systemd/network/10-cloud-init-eth0.network.d"
  printf '[Network]\nIPv6DuplicateAddressDetection=0\n' >"$root/etc/systemd/network/10-cloud-init-eth0.network.d/90-lab.conf"

  # Regenerated on a host's first boot, and different on every host.
  rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id"
  : >"$root/etc/machine-id"
  rm -f "$root/etc/hostname"

  mkdir -p "$root/usr/local/share/ca-certificates"
  if [[ -d $ca_dir ]]; then
    find "$ca_dir" -name '*.crt' -type f -exec cp -t "$root/usr/local/share/ca-certificates" -- {} +
  fi
  chroot "$root" update-ca-certificates >/dev/null

  chroot "$root" systemctl enable --quiet systemd-networkd.service ssh.service
  echo "debian $suite" >"$root/etc/lab-base"
}

sources() {
  local suite=$1 mirror=$2 security=$3
  cat <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite $suite-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $security
Suites: $suite-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
}

main() {
  if [[ ${1-} == customize ]]; then
    shift
    customize "$@"
    return
  fi
  local suite=$1 target=$2 work=$3 packages=$4 ca_dir=$5 mirror=$6 security=$7
  shift 7
  local self
  self=$(realpath -- "$0")

  if [[ -d $target ]]; then
    echo "base: already built by another process"
    return
  fi
  # A crashed build's remains: nobody else writes here, the caller holds the lock.
  rm -rf --one-file-system -- "$work"
  mkdir -p "$work"
  # mmdebstrap's unpacking user must be able to reach the folder.
  chmod 0755 "$work"

  local -a options=(--variant=minbase --mode=root --format=directory --verbose
    --include="$packages"
    --skip=cleanup/apt/lists
    --aptopt='APT::Install-Recommends "false"'
    --aptopt='APT::Color "false"'
    --aptopt='Dpkg::Use-Pty "false"'
    --customize-hook="bash $(printf '%q' "$self") customize \"\$1\" $(printf '%q %q' "$suite" "$ca_dir")")
  local option
  for option in "$@"; do
    options+=(--aptopt="$option")
  done
  local -a mirrors=()
  if [[ -n $mirror ]]; then
    sources "$suite" "$mirror" "$security" >"$work/debian.sources"
    mirrors=("$work/debian.sources")
  fi
  TMPDIR=$work mmdebstrap "${options[@]}" "$suite" "$work/rootfs" "${mirrors[@]}"

  if (($# > 0)); then
    # The machine's way to the archive, for the hosts' apt.
    printf '%s;\n' "$@" >"$work/rootfs/etc/apt/apt.conf.d/90lab"
  fi
  if [[ -f $work/rootfs/etc/apt/sources.list.d/0000debian.sources ]]; then
    mv "$work/rootfs/etc/apt/sources.list.d/0000debian.sources" "$work/rootfs/etc/apt/sources.list.d/debian.sources"
  fi
  mkdir -p "$work/whole"
  mv "$work/rootfs" "$work/whole/rootfs"
  mv -T "$work/whole" "$target"
  rm -rf --one-file-system -- "$work"
}

main "$@"
