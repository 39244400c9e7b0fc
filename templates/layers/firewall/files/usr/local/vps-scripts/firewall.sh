# shellcheck shell=bash
# What the firewall layer and the audit share: what the kernel lets in, whatever ufw's files say. A way in is a TCP port,
# `22022`, or a port on one interface, `22022@tailscale0`.

# verdicts WAY...: what is let in or kept out for these ways: verdict, port, and interface if not all. What is open to everybody
# isn't open to the tailnet, whatever its policy says, unless that is a way of its own.
verdicts() {
  local way
  for way in "$@"; do
    if [[ $way == *@* ]]; then
      printf 'allow %s %s\n' "${way%@*}" "${way#*@}"
    else
      [[ " $* " == *" $way@tailscale0 "* ]] || printf 'deny %s tailscale0\n' "$way"
      printf 'allow %s\n' "$way"
    fi
  done
}

# ufw_rules WAY...: the rules of these ways in, sorted, as `ufw show added` prints them.
ufw_rules() {
  local verdict port interface
  verdicts "$@" | while read -r verdict port interface; do
    if [[ -n $interface ]]; then
      printf 'ufw %s in on %s to any port %s proto tcp\n' "$verdict" "$interface" "$port"
    else
      printf 'ufw %s %s/tcp\n' "$verdict" "$port"
    fi
  done | sort
}

# kernel_rules CHAIN WAY...: what ufw puts into the kernel for them, as iptables -S prints it.
kernel_rules() {
  local chain=$1 verdict port interface
  shift
  verdicts "$@" | while read -r verdict port interface; do
    printf -- '-A %s %s-p tcp -m tcp --dport %s -j %s\n' "$chain" "${interface:+-i $interface }" "$port" \
      "$([[ $verdict == allow ]] && printf ACCEPT || printf DROP)"
  done
}

# has_ipv6: the kernel may run without it; then there is nothing to filter.
has_ipv6() {
  [[ -e /proc/net/if_inet6 ]]
}

# beyond TOOL WAY...: rules in the kernel that ufw has not made for these ways in, as iptables -S prints them; iptables
# and ip6tables are the tools. Tailscale makes none here: ufw filters its interface as any other.
beyond() {
  local tool=$1 rules
  shift
  rules=$("$tool" -S) || return
  grep -E -- '^-A (INPUT|[^ ]*-input) .*-[jg] ' <<<"$rules" |
    grep -vE -- '-[jg] (DROP|REJECT|LOG|RETURN)\b' |
    grep -vxE -- '-A INPUT -j (ufw6?-(before-logging|before|after|after-logging|reject|track)-input)' |
    grep -vxE -- '-A ufw6?-(before|after)-input .*-j ufw6?-(logging-deny|not-local|user-input|skip-to-policy-input)' |
    grep -vxE -- '-A ufw6?-before-input (-i lo|-m conntrack --ctstate RELATED,ESTABLISHED) -j ACCEPT' |
    grep -vxE -- '-A ufw6?-before-input (-s fe80::/10 )?-p (icmp|ipv6-icmp) .*-j ACCEPT' |
    grep -vxE -- '-A ufw6?-before-input -[ds] [^ ]+( -d [^ ]+)? -p udp -m udp (--dport (5353|1900)|--sport 547 --dport 546) -j ACCEPT' |
    grep -vxE -- '-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT' |
    grep -vxF -f <(kernel_rules ufw-user-input "$@" && kernel_rules ufw6-user-input "$@") || : # grep says 1 when nothing is left
}

# lacking TOOL WAY...: what ufw's rules for these ways should have put into the kernel, but isn't there.
lacking() {
  local tool=$1 prefix=ufw rules line dport
  shift
  [[ $tool == iptables ]] || prefix=ufw6
  rules=$("$tool" -S) || return
  {
    printf '%s\n' '-P INPUT DROP' '-P FORWARD DROP' "-A INPUT -j $prefix-before-input" "-A $prefix-before-input -j $prefix-user-input"
    kernel_rules "$prefix-user-input" "$@"
  } | while IFS= read -r line; do
    dport=${line##*--dport } dport=${dport%% *}
    if ! grep -qxF -- "$line" <<<"$rules"; then
      printf '%s\n' "$line"
    elif [[ $line == *'-j DROP' && $(grep -m 1 -E -- "^-A $prefix-user-input .*--dport $dport " <<<"$rules") != "$line" ]]; then
      printf '%s (before the rule that lets in)\n' "$line"
    fi
  done
}

# differing_rules TOOL WAY...: what is too much in the kernel, and what is missing.
differing_rules() {
  beyond "$@" | sed 's/^/beyond ufw: /'
  lacking "$@" | sed 's/^/missing: /'
}

# metadata_closed: only root reaches the cloud's metadata address, where user_data can be read.
metadata_closed() {
  nft list chain inet monoclaw_metadata output | tr -s '\n\t ' ' ' |
    grep -qF 'hook output priority filter; policy accept; ip daddr 169.254.169.254 meta skuid != 0 reject'
}

# loopback_closed PORT...: only root reaches this host's sshd, on these ports, from the host itself. Without a port nothing is known of it.
loopback_closed() {
  local rules port
  (($# > 0)) || return 1
  rules=$(nft -n list chain inet monoclaw_metadata output | tr -s '\n\t ' ' ')
  for port in "$@"; do
    [[ $rules =~ oifname\ \"lo\"\ tcp\ dport\ ([^a-z]*)\ meta\ skuid\ !=\ 0\ reject && " ${BASH_REMATCH[1]//[\{\},]/ } " == *" $port "* ]] ||
      return 1
  done
}
