# shellcheck shell=bash disable=SC2154 # user, ports, ways and want are audit-words.sh's
# Network Security and Intrusion Prevention: ufw and what the kernel really does, who listens, the SSH jail.
# shellcheck source=templates/layers/firewall/files/usr/local/vps-scripts/firewall.sh
source /usr/local/vps-scripts/firewall.sh

firewall_rows() {
  local status wanted
  status=$(ufw status verbose 2>&1) || : # without it the rows fail
  wanted=$(ufw_rules "${ways[@]}" | paste -sd,)
  is 'firewall status' "$(sed -n 's/^Status: //p' <<<"$status")" active
  is 'firewall default' "$(sed -n 's/^Default: \(.*\), \(deny\|disabled\|reject\) (routed)$/\1/p' <<<"$status")" \
    'deny (incoming), allow (outgoing)'
  is 'firewall rules' "$(ufw show added 2>/dev/null | sed -n '/^ufw /p' | sort | paste -sd,)" "$wanted"
  is 'firewall IPv6' "$(sed -n 's/^IPV6=//p' /etc/default/ufw)" yes
  is 'firewall at boot' "$(sed -n 's/^ENABLED=//p' /etc/ufw/ufw.conf), $(unit_states is-enabled ufw.service)" 'yes, enabled'
  none 'firewall in the kernel, IPv4' "ufw's rules and no other way in" differing_rules iptables "${ways[@]}"
  if has_ipv6; then
    none 'firewall in the kernel, IPv6' "ufw's rules and no other way in" differing_rules ip6tables "${ways[@]}"
  else
    row PASS 'firewall in the kernel, IPv6' 'this host has no IPv6'
  fi
  holds 'firewall on loopback' "this host's own sshd is root's alone" loopback_closed "${ports[@]}"
  holds 'metadata address' "root's alone" metadata_closed
  is 'metadata address at boot' "$(unit_states is-enabled monoclaw-metadata.service)" enabled
}

# strangers: sockets that listen beyond loopback and aren't sshd's on its ports, by the service that opened them: a
# process can give itself any name, but not another cgroup. UDP in the ephemeral range is clients'.
strangers() {
  local kind local_end rest port
  ss -Hltunpe | while read -r kind _ _ _ local_end rest; do
    port=${local_end##*:}
    case $local_end in
      127.* | '[::1]:'* | '[::ffff:127.'*) continue ;;
    esac
    case $kind:$port:$rest in
      udp:68:*cgroup:/system.slice/* | udp:546:*cgroup:/system.slice/*) continue ;; # DHCP
      tcp:*cgroup:/system.slice/ssh.s* | tcp:*'("systemd",pid=1,'*)
        [[ " ${ports[*]} " != *" $port "* ]] || continue
        ;;
      # WireGuard, which ufw lets nobody begin with from outside, and what is for the tailnet's own addresses.
      udp:41641:*cgroup:/system.slice/tailscaled.service*) [[ ${want[tailnet]:-off} == off ]] || continue ;;
      tcp:*cgroup:/system.slice/tailscaled.service*)
        [[ $local_end != 100.* && $local_end != '[fd7a:115c:a1e0:'* ]] || continue
        ;;
    esac
    [[ $kind != udp ]] || ((port < 32768)) || continue
    printf '%s %s %s\n' "$kind" "$local_end" "$(grep -oE 'cgroup:[^ ]*' <<<"$rest" || printf 'by the kernel')"
  done
}

fail2ban_rows() {
  local key line answer
  local -A jail=()
  # One connection to fail2ban's socket, as its own client makes it: the client takes 80 ms for each value.
  answer=$(
    timeout 10 python3 -I - "${want[ignoreip]-}" 2>&1 <<'PYTHON'
import sys
from fail2ban.client.csocket import CSocket
from fail2ban.server.ipdns import IPAddr
server = CSocket("/run/fail2ban/fail2ban.sock")
def ask(*words):
    code, value = server.send(["get", "sshd", *words])
    return str(value) if code == 0 else "error: " + str(value)
for key in ("maxretry", "findtime", "bantime"):
    print(key, ask(key), sep="=")
code, actions = server.send(["get", "sshd", "actions"])
print("ports", ",".join(sorted(ask("action", str(name), "port") for name in actions)), sep="=")
print("actions", ",".join(str(name) for name in actions), sep="=")
code, ignored = server.send(["get", "sshd", "ignoreip"])
print("ignoreip", ",".join(sorted(map(str, ignored))), sep="=")
print("wanted", ",".join(sorted(str(IPAddr(each)) for each in sys.argv[1].split(","))), sep="=")
code, match = server.send(["get", "sshd", "journalmatch"])
print("journal", " + ".join(" ".join(each) for each in match), sep="=")
code, banned = server.send(["get", "sshd", "banip"])
print("banned", " ".join(str(each) for each in banned), sep="=")
PYTHON
  ) || : # the rows below fail
  while IFS= read -r line; do
    [[ $line != *=* ]] || jail[${line%%=*}]=${line#*=}
  done <<<"$answer"
  is 'fail2ban running' "$(unit_states is-active fail2ban.service)" active
  is 'fail2ban at boot' "$(unit_states is-enabled fail2ban.service)" enabled
  for key in maxretry findtime bantime; do
    is "fail2ban $key" "${jail[$key]-}" "${want[$key]-}"
  done
  is 'fail2ban ignoreip' "${jail[ignoreip]-}" "${jail[wanted]-}"
  is 'fail2ban port' "${jail[ports]-}" "${want[sshPorts]-}"
  is 'fail2ban action' "${jail[actions]-}" nftables-multiport
  # Fields that journald sets itself, both at once: any process can call itself sshd.
  is 'fail2ban sees sshd' "${jail[journal]-}" '_SYSTEMD_UNIT=ssh.service _UID=0'
  if [[ -v jail[banned] ]]; then
    none 'fail2ban in the kernel' 'each banned address is shut out' unbarred "${jail[banned]}"
  else
    row FAIL 'fail2ban in the kernel' "the jail sshd isn't there: ${answer##*$'\n'}"
  fi
  path 644 root:root /etc/fail2ban/jail.d/sshd.local 'regular file'
}

# unbarred ADDRESSES: those that fail2ban has banned, but the kernel lets through. The table comes with the first ban.
unbarred() {
  local address port table
  [[ -n $1 ]] || return 0
  table=$(nft list table inet f2b-table 2>&1) || {
    printf 'banned are %s, but fail2ban has no table\n' "$1"
    return
  }
  table=$(tr -s '\n\t,{};' ' ' <<<"$table")
  for port in "${ports[@]}"; do
    grep -qE "tcp dport ([0-9 ]+ )?$port ([0-9 ]+ )?ip6? saddr @addr6?-set-sshd reject" <<<"$table" ||
      printf 'port %s is not barred\n' "$port"
  done
  for address in $1; do
    [[ " $table " == *" $address "* ]] || printf '%s\n' "$address"
  done
}

firewall_rows
none 'listeners' 'nothing but sshd listens beyond loopback' strangers
fail2ban_rows
