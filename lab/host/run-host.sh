#!/usr/bin/env bash
# Runs one lab host until it powers off; a reboot from inside starts it again. Started by the lab's daemon in a process
# group of its own, outlives the daemon. Mounts and network exist in namespaces of this process only, and vanish with it.
#
# Environment, all required: LAB_DIR (disk and seed), LAB_LOWER (shared lower layers, the topmost first), LAB_FABRIC (PID that holds the
# lab's network), LAB_MACHINE (container name), LAB_HOSTNAME, LAB_PORT (interface in the fabric), LAB_MAC, LAB_GATEWAY,
# LAB_IPV4 and LAB_IPV6 (address, and network with length; either may be empty), LAB_RESTRICTED (yes, or empty),
# LAB_BOOT (arguments for its init, or empty).
set -euo pipefail

# nspawn's exit code for a reboot from inside (EXIT_FORCE_RESTART in systemd's sources).
readonly rebooted=133

in_fabric() {
  nsenter --net="/proc/$LAB_FABRIC/ns/net" -- "$@"
}

# The host's cable: one end becomes its eth0, the other is a port of the fabric that routes to it alone.
plug_in() {
  ip link set lo up
  # The port of the last boot goes a moment after its namespace: take the name back now.
  if in_fabric ip link show dev "$LAB_PORT" >/dev/null 2>&1; then
    in_fabric ip link delete dev "$LAB_PORT"
  fi
  ip link add name eth0 address "$LAB_MAC" type veth peer name "$LAB_PORT" netns "$LAB_FABRIC"
  # Answers ARP for every address of the network, so that hosts reach one another through the filter only.
  # shellcheck disable=SC2016 # expanded by the inner shell
  in_fabric bash -euc '
    echo 1 >"/proc/sys/net/ipv4/conf/$LAB_PORT/proxy_arp"
    echo 0 >"/proc/sys/net/ipv4/neigh/$LAB_PORT/proxy_delay"
    echo 0 >"/proc/sys/net/ipv6/conf/$LAB_PORT/accept_dad"
    ip address add fe80::1/64 dev "$LAB_PORT"
    ip link set dev "$LAB_PORT" up
    if [[ -n $LAB_IPV4 ]]; then
      ip route replace "$LAB_IPV4/32" dev "$LAB_PORT"
    fi
    if [[ -n $LAB_IPV6 ]]; then
      ip -6 route replace "$LAB_IPV6" dev "$LAB_PORT"
    fi
  '
}

boot() {
  # The upper of a disk that became a snapshot's layer a moment before a crash is not there any more.
  mkdir -p "$LAB_DIR/root" "$LAB_DIR/upper" "$LAB_DIR/work"
  # redirect_dir lets the guest rename directories that come from the shared layer; volatile spares it from waiting for the
  # machine's disk: a lab's power cut ends processes, and what they wrote is there whether it was synced or not.
  rm -rf "$LAB_DIR/work/work/incompat"
  mount -t overlay overlay -o "redirect_dir=on,volatile,lowerdir=$LAB_LOWER,upperdir=$LAB_DIR/upper,workdir=$LAB_DIR/work" \
    "$LAB_DIR/root"
  plug_in
  # nspawn asks udev about interfaces unless /sys is read-only, as it is in any container.
  mount -o remount,bind,ro /sys
  local -a kernel=("--capability=CAP_BPF,CAP_PERFMON" --system-call-filter="bpf perf_event_open")
  if [[ $LAB_RESTRICTED == yes ]]; then
    kernel=(--system-call-filter="~unshare")
  fi
  local -a arguments
  read -r -a arguments <<<"$LAB_BOOT"
  export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
  exec systemd-nspawn --boot --quiet --register=no --keep-unit --console=read-only \
    --directory="$LAB_DIR/root" --machine="$LAB_MACHINE" --hostname="$LAB_HOSTNAME" \
    --network-interface=eth0 --resolv-conf=off --timezone=off --bind=/dev/net/tun \
    "${kernel[@]}" "${arguments[@]}"
}

main() {
  if [[ ${1-} == boot ]]; then
    boot
  fi
  local code
  while :; do
    code=0
    unshare --mount --net --propagation private -- "$0" boot || code=$?
    echo "lab: container of $LAB_HOSTNAME ended with exit code $code"
    if ((code != rebooted)); then
      exit "$code"
    fi
  done
}

main "$@"
