#!/usr/bin/env bash
# The words that the audit's subjects are written in, then the subject itself. audit.sh runs it.
#
# A subject prints rows: status, name and detail, with tabs between. What can't be read fails: no row passes by an empty answer.
#
# usage: audit-words.sh SUBJECT
set -euo pipefail
readonly scripts=/usr/local/vps-scripts
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/management.sh
source "$scripts/management.sh"

# row STATUS NAME DETAIL: one line of the audit, bounded, without control characters.
row() {
  local detail=${3:0:900}
  printf '%s\t%s\t%s\n' "$1" "$2" "${detail//[[:cntrl:]]/ }"
}

# is NAME ACTUAL EXPECTED: passes if both are the same and not empty.
is() {
  if [[ -z $2 ]]; then
    row FAIL "$1" "nothing could be read, must be '$3'"
  elif [[ $2 == "$3" ]]; then
    row PASS "$1" "$2"
  else
    row FAIL "$1" "is '$2', must be '$3'"
  fi
}

# none NAME DETAIL COMMAND...: passes if the command succeeds and finds nothing.
none() {
  local name=$1 detail=$2 found
  shift 2
  if ! found=$("$@" 2>&1); then
    row FAIL "$name" "could not be read: ${found:-$1 failed}"
  elif [[ -n $found ]]; then
    row FAIL "$name" "must be: $detail; but: ${found//$'\n'/, }"
  else
    row PASS "$name" "$detail"
  fi
}

# holds NAME DETAIL COMMAND...: passes if the command succeeds.
holds() {
  local name=$1 detail=$2 said
  shift 2
  if said=$("$@" 2>&1); then
    row PASS "$name" "$detail"
  else
    row FAIL "$name" "must be: $detail; but it isn't${said:+: ${said//$'\n'/, }}"
  fi
}

# path MODE OWNER PATH KIND: a row of the permission matrix; neither a link nor anything else may stand there.
path() {
  local now
  now=$(stat -c '%a %U:%G %F' -- "$3" 2>/dev/null) || now=missing
  is "permissions $3" "$now" "$1 $2 $4"
}

# sorted WORD...: the words, sorted, with commas between.
sorted() {
  printf '%s\n' "$@" | sort -u | paste -sd,
}

# as_account NAME COMMAND...: as this user, bounded in time: what a user owns is read as that user, never as root.
as_account() {
  local name=$1
  shift
  timeout -k 1 5 setpriv --reuid="$name" --regid="$name" --clear-groups --no-new-privs --reset-env -- "$@"
}

# unit_states COMMAND UNIT...: what `systemctl is-active` or `is-enabled` says of each; its exit code repeats it.
unit_states() {
  systemctl "$@" 2>/dev/null | paste -sd' ' || :
}

main() {
  # shellcheck disable=SC2034 # the subjects use them
  local line user ports ways
  local -A want=()
  as_root
  # What the stack expects. Without it there is nothing to compare with, and the rows that need it fail.
  if [[ -f /etc/monoclaw/expected ]]; then
    while IFS= read -r line; do
      want[${line%%=*}]=${line#*=}
    done </etc/monoclaw/expected
  fi
  # shellcheck disable=SC2034
  user=${want[primaryUser]:-nobody-is-expected}
  # shellcheck disable=SC2034
  IFS=, read -r -a ports <<<"${want[sshPorts]-}"
  # shellcheck disable=SC2034
  IFS=, read -r -a ways <<<"${want[sshWays]-}"
  # shellcheck source=/dev/null
  source "$scripts/audit-$1.sh"
}

main "$@"
