# shellcheck shell=bash disable=SC2154 # user, ports and want are audit-words.sh's
# SSH Hardening: what sshd's files say for any login, what the running sshd does, and where it listens.

# effective USER ADDRESS: sshd's settings for such a login, sorted.
effective() {
  # sshd -T wants it; where a socket starts sshd, it is missing from the boot to the first login.
  install -d -m 755 /run/sshd
  sshd -T -C "user=$1,host=somewhere,addr=$2" 2>/dev/null | sort
}

# directive_rows: what sshd does for a login of the primary user, by all that the stack expects of it.
directive_rows() {
  local key value shown
  local -A now=()
  shown=$(effective "$user" 127.0.0.1) || : # an empty answer fails every row
  while read -r key value; do
    [[ -z $key ]] || now[$key]=${now[$key]+${now[$key]},}$value
  done <<<"$shown"
  while read -r key; do
    is "ssh $key" "${now[$key]-}" "${want[sshd.$key]}"
  done < <(printf '%s\n' "${!want[@]}" | sed -n 's/^sshd\.//p' | sort)
}

# differing: settings that a Match block changes for others, or for logins from elsewhere.
differing() {
  local login own
  own=$(effective "$user" 127.0.0.1) || return
  for login in "$user 203.0.113.7" "$user 2001:db8::7" 'root 203.0.113.7' 'openclaw 203.0.113.7'; do
    # shellcheck disable=SC2086 # user and address
    diff <(printf '%s\n' "$own") <(effective $login) | sed -n "s/^> \(.*\)/\1 (for $login)/p"
  done
}

# unread: sshd's files that changed after the running sshd last read them: it writes its pid file whenever it does.
unread() {
  if [[ -e /run/sshd.pid ]]; then
    find /etc/ssh/sshd_config /etc/ssh/sshd_config.d -type f -newercm /run/sshd.pid
  elif [[ $(systemctl is-active ssh.socket) != active ]]; then
    printf 'sshd does not run'
  fi
}

# offered PORT: the methods that the running sshd offers.
offered() {
  timeout 10 ssh -F none -o BatchMode=yes -o PreferredAuthentications=none -o StrictHostKeyChecking=no -o LogLevel=ERROR \
    -o UserKnownHostsFile=/dev/null -p "$1" "$user@127.0.0.1" true 2>&1 </dev/null || : # it must be refused
}

running_rows() {
  local port answer listening
  holds 'ssh configuration' 'sshd accepts its files' sshd -t
  none 'ssh for any login' 'the same settings, whoever comes and from wherever' differing
  none 'ssh in force' 'the running sshd has read its files as they are' unread
  for port in "${ports[@]}"; do
    answer=$(offered "$port" | tr -d '\r')
    if [[ $answer == *'Not allowed at this time'* ]]; then
      row WARN "ssh offers on $port" 'somebody on this host has failed so often that sshd refuses to talk to it for now'
    else
      is "ssh offers on $port" "${answer##*: }" 'Permission denied (publickey).'
    fi
  done
  listening=$(ss -Hltnpe | awk '/ cgroup:\/system.slice\/ssh.service|"systemd",pid=1,/ {n = split($4, part, ":"); print part[n]}' | sort -u | paste -sd,)
  is 'ssh listens on' "$listening" "$(sorted "${ports[@]}")"
  # By its links: is-enabled says yes for an alias, too.
  if [[ -L /etc/systemd/system/multi-user.target.wants/ssh.service || -L /etc/systemd/system/sockets.target.wants/ssh.socket ]]; then
    row PASS 'ssh at boot' 'enabled'
  else
    row FAIL 'ssh at boot' 'neither ssh.service nor ssh.socket is enabled; one must be'
  fi
  none 'ssh host key' "is this host's own, not the one of its first boot" find /etc/monoclaw -name bootstrap-host-key
  path 644 root:root /etc/ssh/sshd_config.d/99-custom.conf 'regular file'
  path 644 root:root /etc/ssh/sshd_config.d/00-monoclaw.conf 'regular file'
}

directive_rows
running_rows
