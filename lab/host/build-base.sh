#!/usr/bin/env bash
# Builds the root file system that lab hosts of one suite share, and moves it into place when it is whole.
#
#   build-base.sh VENDOR SUITE TARGET WORK_DIR PACKAGES CA_DIR MIRROR SECURITY_MIRROR [APT_OPTION...]
#
# VENDOR is debian or ubuntu. PACKAGES is comma separated. The mirrors are the machine's own; of Debian's, the one beside it
# serves Ubuntu's packages, if any does. An empty MIRROR leaves the choice to mmdebstrap's own default.
# TARGET must not exist; WORK_DIR is beside it, on the same file system.
set -euo pipefail

# What makes a plain system into a lab host: settings only, no package of ours.
customize() {
  local root=$1 vendor=$2 suite=$3 ca_dir=$4

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

  # sshd starts as the vendor has it: by its service, or by its socket.
  chroot "$root" systemctl enable --quiet systemd-networkd.service
  # The build's own haste isn't the hosts': their dpkg syncs what it writes.
  rm -f "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
  echo "$vendor $suite" >"$root/etc/lab-base"
}

# sources SUITE COMPONENTS KEYRING MIRROR SECURITY_MIRROR: the lists of packages, for apt.
sources() {
  local suite=$1 components=$2 keyring=$3 mirror=$4 security=$5
  cat <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite $suite-updates
Components: $components
Signed-By: $keyring

Types: deb
URIs: $security
Suites: $suite-security
Components: $components
Signed-By: $keyring
SOURCES
}

# keyring VENDOR WORK_DIR MIRROR: prints the file with the archive's keys. Debian 12 has no package of Ubuntu's, so it
# comes, with Debian's signature, from 13.
keyring() {
  local vendor=$1 work=$2 mirror=$3 file=/usr/share/keyrings/$1-archive-keyring.gpg
  if [[ $vendor == ubuntu && ! -e $file ]]; then
    local -a from=()
    if [[ -n $mirror ]]; then
      printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
        "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg >"$work/keys.sources"
      from=("$work/keys.sources")
    fi
    mmdebstrap --variant=extract --mode=root --format=directory --include=ubuntu-archive-keyring \
      --aptopt='Acquire::Languages "none"' trixie "$work/keys" "${from[@]}" >&2
    file=$work/keys$file
  fi
  printf '%s' "$file"
}

main() {
  if [[ ${1-} == customize ]]; then
    shift
    customize "$@"
    return
  fi
  local vendor=$1 suite=$2 target=$3 work=$4 packages=$5 ca_dir=$6 mirror=$7 security=$8
  shift 8
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
  export TMPDIR=$work

  local keys components=main
  keys=$(keyring "$vendor" "$work" "$mirror")
  if [[ $vendor == ubuntu ]]; then
    components='main universe'
    mirror=$(sed -E 's|/debian/?$|/ubuntu/|' <<<"$mirror")
    if [[ -n $mirror ]] && ! /usr/lib/apt/apt-helper download-file "${mirror%/}/dists/$suite/InRelease" "$work/InRelease"; then
      echo "base: $mirror has no $suite, the vendor's own archive may"
      mirror=''
    fi
    security=$mirror
  fi
  # Without the many syncs of each package it takes half the time; a build that is cut off is thrown away.
  local -a options=(--variant=minbase --mode=root --format=directory --verbose
    --components="${components// /,}" --keyring="$keys" --include="$packages"
    --skip=cleanup/apt/lists
    --dpkgopt=force-unsafe-io
    --aptopt='APT::Install-Recommends "false"'
    --aptopt='APT::Color "false"'
    --aptopt='Dpkg::Use-Pty "false"'
    --customize-hook="bash $(printf '%q' "$self") customize \"\$1\" $(printf '%q %q %q' "$vendor" "$suite" "$ca_dir")")
  local option
  for option in "$@"; do
    options+=(--aptopt="$option")
  done
  local -a mirrors=()
  if [[ -n $mirror ]]; then
    sources "$suite" "$components" "$keys" "$mirror" "$security" >"$work/$vendor.sources"
    mirrors=("$work/$vendor.sources")
  fi
  mmdebstrap "${options[@]}" "$suite" "$work/rootfs" "${mirrors[@]}"

  if (($# > 0)); then
    # The machine's way to the archive, for the hosts' apt.
    printf '%s;\n' "$@" >"$work/rootfs/etc/apt/apt.conf.d/90lab"
  fi
  if [[ -n $mirror ]]; then
    rm "$work/rootfs/etc/apt/sources.list.d/0000$vendor.sources"
    sources "$suite" "$components" "/usr/share/keyrings/$vendor-archive-keyring.gpg" "$mirror" "$security" \
      >"$work/rootfs/etc/apt/sources.list.d/$vendor.sources"
  fi
  mkdir -p "$work/whole"
  mv "$work/rootfs" "$work/whole/rootfs"
  mv -T "$work/whole" "$target"
  rm -rf --one-file-system -- "$work"
}

main "$@"
