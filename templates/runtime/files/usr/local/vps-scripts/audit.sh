#!/usr/bin/env bash
# Runs the subjects of the audit side by side, each within its time, and prints their rows. monoclaw-security runs it.
#
# usage: audit.sh [--json] [--failed]
set -euo pipefail
readonly scripts=/usr/local/vps-scripts
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/management.sh
source "$scripts/management.sh"

# Seconds for each subject: none may hang on what a user of this host planted.
declare -rA seconds=([ssh]=30 [network]=30 [users]=30 [gateway]=200 [host]=30 [tailnet]=30 [kernel]=30)

# collect: the rows of all subjects. One that breaks off is a row that fails, never a silent gap.
collect() {
  local subject code
  local -A pids=()
  for subject in "${!seconds[@]}"; do
    timeout -k 5 "${seconds[$subject]}" bash "$scripts/audit-words.sh" "$subject" \
      >"$work/$subject" 2>"$work/$subject.log" </dev/null &
    pids[$subject]=$!
  done
  for subject in ssh network users gateway host tailnet kernel; do
    code=0
    wait "${pids[$subject]}" || code=$?
    cat "$work/$subject"
    if ((code != 0)) || [[ ! -s $work/$subject ]]; then
      printf 'FAIL\taudit of %s\tbroke off with exit code %s (124: out of time): %s\n' \
        "$subject" "$code" "$(tail -n 1 "$work/$subject.log" | tr -d '\t')"
    fi
  done
}

# count STATUS: how many rows have it.
count() {
  awk -F'\t' -v status="$1" '$1 == status {n++} END {print n + 0}' "$work/rows"
}

# shown: the rows to print.
shown() {
  awk -F'\t' -v failed="$failed_only" '!failed || $1 != "PASS"' "$work/rows"
}

print_table() {
  shown | awk -F'\t' '{printf "%-5s %-44s %s\n", $1, $2, $3}'
  printf '%s pass, %s warn, %s fail\n' "$pass" "$warn" "$fail"
}

print_json() {
  shown | python3 -I -S -c '
import io, json, sys
lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace", newline="\n")
rows = [dict(zip(("status", "row", "detail"), line.rstrip("\n").split("\t"))) for line in lines]
count = dict(zip(("pass", "warn", "fail"), map(int, sys.argv[1:])))
print(json.dumps({**count, "rows": rows}))' "$pass" "$warn" "$fail"
}

main() {
  local json='' failed_only='' pass warn fail
  while (($# > 0)); do
    case $1 in
      --json) json=yes ;;
      --failed) failed_only=yes ;;
      *) exit 64 ;;
    esac
    shift
  done
  as_root
  install -d -m 700 /run/monoclaw
  # One at a time: whoever may start audits must not be able to start a hundred.
  exec 9>/run/monoclaw/lock.monoclaw-security
  flock -w 120 9 || {
    printf 'monoclaw-security: another audit has gone on for 2 minutes\n' >&2
    exit 75
  }
  work=$(mktemp -d /run/monoclaw/audit.XXXXXXXX)
  trap 'rm -rf -- "$work"' EXIT
  collect 9>&- >"$work/rows"
  exec 9>&- # who asked may not read the answer
  pass=$(count PASS) warn=$(count WARN) fail=$(count FAIL)
  if [[ -n $json ]]; then
    print_json
  else
    print_table
  fi
  ((fail == 0))
}

main "$@"
