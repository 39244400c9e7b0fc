#!/usr/bin/env bash
# Runs a program in a process group (cgroup) of its own, by which the lab finds all of its descendants again.
#
#   join-group.sh GROUP PROGRAM [ARGUMENT...]
set -euo pipefail

main() {
  local group=$1 mount type options
  shift
  if [[ -d /run/systemd/system ]]; then
    exec systemd-run --quiet --scope --collect --unit="$group" --property=Delegate=yes -- "$@"
  fi
  while read -r _ mount type options _; do
    if [[ $type == cgroup2 || ($type == cgroup && $options == *name=systemd*) ]]; then
      mkdir -p "$mount/$group"
      echo $$ >"$mount/$group/cgroup.procs"
    fi
  done </proc/mounts
  exec "$@"
}

main "$@"
