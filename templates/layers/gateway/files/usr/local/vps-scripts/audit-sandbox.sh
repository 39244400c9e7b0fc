# shellcheck shell=bash
# The sandbox as the kernel has it for the gateway's process, and what this host can't do of it.

# cannot: the groups of directives that this host can't do, as the gateway layer found by trial; nothing on most hosts.
cannot() {
  [[ ! -f /etc/monoclaw/missing-sandbox ]] || cat /etc/monoclaw/missing-sandbox
}

# sandbox_is NAME GROUP ACTUAL EXPECTED: a row that only warns where the host can't do the group.
sandbox_is() {
  if [[ $3 != "$4" && " $(cannot) " == *" $2 "* ]]; then
    row WARN "$1" "is '$3', not '$4': this container can't do it"
  else
    is "$1" "$3" "$4"
  fi
}

# mounted PID PATH: 'ro' or 'rw' for what the process sees at the path, with the folder that is mounted there.
mounted() {
  awk -v path="$2" '$5 == path {split($6, option, ","); found = option[1] " " $4} END {print found}' "/proc/$1/mountinfo" 2>/dev/null
}

# filters PID: how many system call filters a process has.
filters() {
  local count
  count=$(sed -n 's/^Seccomp_filters:\t//p' "/proc/$1/status" 2>/dev/null) || count=''
  printf '%s' "${count:-0}"
}

# process_rows PID: the kernel's own word on the running process, which may be older than its unit.
process_rows() {
  local pid=$1 score container missing
  container=$(systemd-detect-virt --container || :) # none is an exit code of 1
  missing=$(cannot)
  if [[ -z $container ]]; then
    row FAIL 'container' 'systemd-detect-virt could not tell'
  elif [[ -n $missing ]]; then
    row WARN 'container' "$container; this host can't do: $missing. The gateway has its own user and the rest of the sandbox"
  else
    row PASS 'container' "$container; the whole sandbox works here"
  fi
  score=$(systemd-analyze --no-pager security openclaw.service 2>/dev/null | sed -n 's/^→ Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  if awk "BEGIN {exit !(${score:-10} <= 1.3)}"; then
    row PASS 'sandbox exposure' "$score of 10 by systemd-analyze security"
  elif [[ -n $missing ]]; then
    row WARN 'sandbox exposure' "${score:-unknown} of 10, must be 1.3 or less; this host can't do: $missing"
  else
    row FAIL 'sandbox exposure' "is ${score:-unknown} of 10 by systemd-analyze security, must be 1.3 or less"
  fi
  is 'process user' "$(stat -c '%U:%G' "/proc/$pid" 2>/dev/null)" openclaw:openclaw
  is 'process privileges' "$(awk '/^(NoNewPrivs|CapEff|CapBnd):/ {print $1 $2}' "/proc/$pid/status" 2>/dev/null | paste -sd' ')" \
    'CapEff:0000000000000000 CapBnd:0000000000000000 NoNewPrivs:1'
  # A container filters whatever runs in it, so only filters on top of init's are the service's own.
  sandbox_is 'process system calls' calls "$( (($(filters "$pid") > $(filters 1))) && echo filtered)" filtered
  # shellcheck disable=SC2154 # want is audit-words.sh's
  is 'process program' "$(readlink "/proc/$pid/exe" 2>/dev/null)" "/opt/openclaw/${want[openclaw]-}/node/bin/node"
  is 'program folder' "$(stat -c '%a %U:%G %F' "/opt/openclaw/${want[openclaw]-}" 2>/dev/null)" '755 root:root directory'
  sandbox_is 'process sees /' files "$(mounted "$pid" /)" 'ro /'
  sandbox_is 'process sees /home' files "$(mounted "$pid" /home | cut -d' ' -f1)" ro
  sandbox_is 'process sees /root' files "$(mounted "$pid" /root | cut -d' ' -f1)" ro
  sandbox_is 'process sees /sys/fs/cgroup' files "$(mounted "$pid" /sys/fs/cgroup | cut -d' ' -f1)" ro
  sandbox_is 'process sees /tmp' files "$(mounted "$pid" /tmp | sed 's|.*/systemd-private-[^/]*-openclaw.service-[^/]*/tmp$|its own|')" 'its own'
}
