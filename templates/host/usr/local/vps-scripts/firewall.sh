# shellcheck shell=bash
# What the firewall layer and the audit share: what the kernel lets in, whatever ufw's files say.

# has_ipv6: the kernel may run without it; then there is nothing to filter.
has_ipv6() {
  [[ -e /proc/net/if_inet6 ]]
}

# beyond TOOL PORT...: rules in the kernel that ufw has not made for these TCP ports, as iptables -S prints them; iptables
# and ip6tables are the tools. Tailscale makes none here: ufw filters its interface as any other.
beyond() {
  local tool=$1 ports rules
  shift
  ports=$(printf '%s\n' "$@" | paste -sd'|')
  rules=$("$tool" -S) || return
  grep -E -- '^-A (INPUT|[^ ]*-input) .*-[jg] ' <<<"$rules" |
    grep -vE -- '-[jg] (DROP|REJECT|LOG|RETURN)\b' |
    grep -vxE -- '-A INPUT -j (ufw6?-(before-logging|before|after|after-logging|reject|track)-input)' |
    grep -vxE -- '-A ufw6?-(before|after)-input .*-j ufw6?-(logging-deny|not-local|user-input|skip-to-policy-input)' |
    grep -vxE -- '-A ufw6?-before-input (-i lo|-m conntrack --ctstate RELATED,ESTABLISHED) -j ACCEPT' |
    grep -vxE -- '-A ufw6?-before-input (-s fe80::/10 )?-p (icmp|ipv6-icmp) .*-j ACCEPT' |
    grep -vxE -- '-A ufw6?-before-input -[ds] [^ ]+( -d [^ ]+)? -p udp -m udp (--dport (5353|1900)|--sport 547 --dport 546) -j ACCEPT' |
    grep -vxE -- '-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT' |
    grep -vxE -- "-A ufw6?-user-input -p tcp -m tcp --dport ($ports) -j ACCEPT" || : # grep says 1 when nothing is left
}

# lacking TOOL PORT...: what ufw's rules for these ports should have put into the kernel, but isn't there.
lacking() {
  local tool=$1 prefix=ufw rules port line
  shift
  [[ $tool == iptables ]] || prefix=ufw6
  rules=$("$tool" -S) || return
  for line in '-P INPUT DROP' '-P FORWARD DROP' "-A INPUT -j $prefix-before-input" "-A $prefix-before-input -j $prefix-user-input"; do
    grep -qxF -- "$line" <<<"$rules" || printf '%s\n' "$line"
  done
  for port in "$@"; do
    line="-A $prefix-user-input -p tcp -m tcp --dport $port -j ACCEPT"
    grep -qxF -- "$line" <<<"$rules" || printf '%s\n' "$line"
  done
}

# differing_rules TOOL PORT...: what is too much in the kernel, and what is missing.
differing_rules() {
  beyond "$@" | sed 's/^/beyond ufw: /'
  lacking "$@" | sed 's/^/missing: /'
}

# metadata_closed: only root reaches the cloud's metadata address, where user_data can be read.
metadata_closed() {
  nft list chain inet monoclaw_metadata output | tr -s '\n\t ' ' ' |
    grep -qF 'hook output priority filter; policy accept; ip daddr 169.254.169.254 meta skuid != 0 reject'
}
