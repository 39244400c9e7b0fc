#!/usr/bin/env bash
# Runs a program in a process group (cgroup) of its own, by which the lab finds all of its descendants again.
#
#   join-group.sh GROUP MEMORY PROGRAM [ARGUMENT...]      MEMORY: what it may take, in GB, or max
set -euo pipefail

main() {
  local group=$1 memory=$2 mount type options
  shift 2
  [[ $memory == max ]] || memory=${memory}G
  if [[ -d /run/systemd/system ]]; then
    exec systemd-run --quiet --scope --collect --unit="$group" --property=Delegate=yes \
      --property=MemoryMax="${memory/max/infinity}" -- "$@"
  fi
  while read -r _ mount type options _; do
    if [[ $type == cgroup2 || ($type == cgroup && $options =~ name=systemd|(^|,)memory(,|$)) ]]; then
      mkdir -p "$mount/$group"
      if [[ $memory != max ]]; then
        limit "$mount/$group" "$memory"
      fi
      echo $$ >"$mount/$group/cgroup.procs"
    fi
  done </proc/mounts
  exec "$@"
}

# limit FOLDER MEMORY: version 2's and version 1's name for it; a hierarchy without memory has neither.
limit() {
  local file
  for file in memory.max memory.limit_in_bytes; do
    if [[ -e $1/$file ]]; then
      echo "$2" >"$1/$file"
    fi
  done
}

main "$@"
