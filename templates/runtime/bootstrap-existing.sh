ports=({{{ports}}})
own=/etc/ssh/sshd_config.d/00-monoclaw.conf
problems=0

# The last line on stdout is the machine's host key; all else is for the person who waits.
main() {
  {
    preflight
    ((problems == 0)) || exit 1
    host_key
    forget_other_stack
    trust
    primary_user
    receiver
    open_port
    report
  } >&2
  ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key | cut -d' ' -f1,2
}

# problem TEXT: one reason not to begin. All are told at once, and nothing has been changed.
problem() {
  printf 'error: %s\n' "$*"
  problems=$((problems + 1))
}

preflight() {
  local name unit
  local -a missing=()
  # shellcheck source=/dev/null
  name=$(. /etc/os-release && printf '%s-%s' "${ID-}" "${VERSION_ID-}")
  case $name in
    debian-12 | debian-13 | ubuntu-22.04 | ubuntu-24.04 | ubuntu-26.04) ;;
    *) problem "this machine runs $name; supported are Debian 12 and 13, Ubuntu 22.04, 24.04 and 26.04" ;;
  esac
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) problem "this machine's processor is $(uname -m); supported are x86_64 and aarch64" ;;
  esac
  if [[ ! -d /run/systemd/system ]]; then
    problem 'systemd is not running here: a container without an init of its own can'\''t be such a host'
    return 0
  fi
  # A machine that was rented a minute ago may still be busy with its first boot; what became of that is not our concern.
  ! command -v cloud-init >/dev/null || cloud-init status --wait >/dev/null || :
  for name in ca-certificates curl iproute2 openssh-server python3 sudo; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  if ((${#missing[@]} > 0)); then
    problem "packages are missing; run there, as root: apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    return 0
  fi
  grep -qiE '^[[:space:]]*Include[[:space:]]+"?/etc/ssh/sshd_config\.d/\*\.conf' /etc/ssh/sshd_config ||
    problem "sshd doesn't read /etc/ssh/sshd_config.d; run there, as root: sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config"
  for unit in firewalld nftables netfilter-persistent; do
    ! systemctl is-active --quiet "$unit.service" ||
      problem "$unit has packet filter rules of its own, and ufw is to have them all; run there, as root: systemctl disable --now $unit"
  done
  if [[ -s /etc/monoclaw/host-id && $(</etc/monoclaw/host-id) != {{{hostId}}} ]]; then
    problem "this machine obeys another stack (/etc/monoclaw/host-id). If that one is gone, run there, as root: rm -r /etc/monoclaw"
  fi
  if id -u "$user" >/dev/null 2>&1 && [[ ! -e /etc/sudoers.d/010_$user-limited ]]; then
    problem "user $user exists already, with rights and keys of its own; choose another: pulumi config set monoclaw:primaryUser NAME"
  fi
  ! sshd_says | grep -q '^allowgroups ' ||
    problem "sshd lets in certain groups only (AllowGroups in /etc/ssh), and $user is in none of them; remove that line"
}

# sshd_says: what sshd uses now. Without a session of its own it may lack its folder.
sshd_says() {
  install -d -m 755 /run/sshd
  /usr/sbin/sshd -T
}

host_key() {
  [[ -s /etc/ssh/ssh_host_ed25519_key ]] || ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f /etc/ssh/ssh_host_ed25519_key
}

# What an earlier stack of this machine left: its history would refuse this one's envelopes.
forget_other_stack() {
  [[ -s /etc/monoclaw/host-id ]] || rm -rf /var/lib/monoclaw
}

# sshd opens the new port, for the primary user's keys, and keeps every old way in. The ssh layer closes those, and keeps
# that only if a new connection through the new port confirms it.
open_port() {
  local port now
  # A run after that must not open anything again.
  [[ ! -e /etc/ssh/sshd_config.d/99-custom.conf ]] || ! grep -q 'Written by monoclaw' /etc/ssh/sshd_config.d/99-custom.conf || return 0
  rm -f "$own"
  now=$(sshd_says)
  {
    echo '# Written by monoclaw, until its ssh layer comes.'
    grep -qihE '^[[:space:]]*Port[[:space:]=]' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf ||
      sed -n 's/^port /Port /p' <<<"$now"
    for port in "${ports[@]}"; do
      grep -qx "port $port" <<<"$now" || echo "Port $port"
    done
    grep -qx 'hostkey /etc/ssh/ssh_host_ed25519_key' <<<"$now" || echo 'HostKey /etc/ssh/ssh_host_ed25519_key'
    ! grep -q '^allowusers ' <<<"$now" || echo "AllowUsers $user"
    printf 'Match User %s\n' "$user"
    printf '  PubkeyAuthentication yes\n  AuthenticationMethods publickey\n  AuthorizedKeysFile .ssh/authorized_keys\n'
  } | file 644 "$own"
  if ! /usr/sbin/sshd -t; then
    rm -f "$own"
    problem "sshd refuses a configuration with port ${ports[*]} added; its reason is above"
    exit 1
  fi
  if command -v ufw >/dev/null && ufw status | grep -qx 'Status: active'; then
    for port in "${ports[@]}"; do
      ufw allow "$port/tcp"
    done
  fi
  if systemctl is-active --quiet ssh.socket; then
    # What it listens on now, and the new ports, over IPv4 and IPv6. The ssh layer has the same file.
    {
      printf '[Socket]\nBindIPv6Only=both\nListenStream=\n'
      { systemctl show ssh.socket -p Listen --value | sed -nE 's/.*:([0-9]+) \(Stream\).*/\1/p' && printf '%s\n' "${ports[@]}"; } |
        sort -un | sed 's/^/ListenStream=/'
    } | file 644 /etc/systemd/system/ssh.socket.d/monoclaw.conf
    systemctl daemon-reload
    systemctl stop --quiet ssh.service
    systemctl restart ssh.socket
  else
    systemctl reload-or-restart ssh.service
  fi
  for port in "${ports[@]}"; do
    # shellcheck disable=SC2016 # the inner shell expands these
    timeout 10 bash -c 'until [[ -n $(ss -Hltn "sport = :$1") ]]; do sleep 0.1; done' wait "$port" || {
      problem "sshd doesn't listen on port $port; see ListenAddress in /etc/ssh"
      exit 1
    }
  done
}

# Other accounts stay as they are, but whoever runs as one of these is as good as root.
report() {
  local name
  while IFS=: read -r name _; do
    [[ $name == root || $name == "$user" ]] || ! sudo -l -U "$name" 2>/dev/null | grep -q 'NOPASSWD: ALL' ||
      printf 'note: %s can become root without a password. SSH will be closed to it; if nothing needs it: deluser %s\n' "$name" "$name"
  done < <(getent passwd)
}
