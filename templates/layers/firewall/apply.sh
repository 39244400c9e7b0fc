# ufw: nothing comes in but SSH, over IPv4 and IPv6. The cloud's metadata address is root's alone.
# requirements: Firewall

put 755 root:root /usr/local/vps-scripts/firewall.sh {{{firewallLib}}}
commit
# shellcheck source=templates/layers/firewall/files/usr/local/vps-scripts/firewall.sh
source /usr/local/vps-scripts/firewall.sh
ways=({{{ways}}})

wanted=$(ufw_rules "${ways[@]}")

# rules: the rules that ufw has.
rules() {
  ufw show added | sed -n '/^ufw /p' | sort
}

# add RULE: the first rule that fits counts, so what keeps out comes before what lets in.
add() {
  if [[ $1 == deny ]]; then
    ufw prepend "$@" >/dev/null
  else
    ufw "$@" >/dev/null
  fi
}

# remove PATTERN: the rules that it fits and that aren't wanted.
remove() {
  comm -23 <(rules) <(printf '%s\n' "$wanted") | sed -n "/$1/p" | while read -r _ rule; do
    # shellcheck disable=SC2086 # a rule is several words
    ufw --force delete $rule >/dev/null
  done
}

# in_force: ufw is on, denies what comes in, filters IPv6 too and has just the wanted rules.
in_force() {
  local status
  status=$(ufw status verbose)
  [[ $status == *$'Status: active\n'* && $status == *'Default: deny (incoming), allow (outgoing)'* ]] &&
    grep -qx 'IPV6=yes' /etc/default/ufw && [[ $(rules) == "$wanted" ]]
}

# What ufw itself lets in before these rules, as its package brings it.
for file in before.rules before6.rules after.rules after6.rules; do
  put 640 root:root "/etc/ufw/$file" <"/usr/share/ufw/iptables/$file"
done
if changed /etc/ufw/before.rules /etc/ufw/before6.rules /etc/ufw/after.rules /etc/ufw/after6.rules; then
  undo 'ufw reload'
  commit
  ufw reload >/dev/null
fi

if ! in_force; then
  guard /etc/default/ufw /etc/ufw/ufw.conf /etc/ufw/user.rules /etc/ufw/user6.rules
  if grep -qx 'ENABLED=yes' /etc/ufw/ufw.conf; then
    undo 'ufw reload'
  else
    undo 'ufw --force disable'
  fi
  sed -i 's/^IPV6=.*/IPV6=yes/' /etc/default/ufw
  ufw default deny incoming >/dev/null
  ufw default allow outgoing >/dev/null
  # What is wanted first, so that the way in is never closed in between. But to ufw, two verdicts on the same packets are one rule.
  remove ' in on '
  comm -13 <(rules) <(printf '%s\n' "$wanted") | while read -r _ rule; do
    # shellcheck disable=SC2086 # a rule is several words
    add $rule
  done
  remove .
  ufw --force enable >/dev/null
  in_force || fail "ufw doesn't show the wanted state: $(ufw status verbose)"
  note {{{summary}}}
  confirm_within {{{confirmSeconds}}}
fi
enable ufw.service

# in_kernel: the kernel has just these rules, too.
in_kernel() {
  [[ -z $(differing_rules iptables "${ways[@]}") ]] &&
    { ! has_ipv6 || [[ -z $(differing_rules ip6tables "${ways[@]}") ]]; }
}
if ! in_kernel; then
  sed -n 's/^ufw deny/deny/p' <<<"$wanted" | while read -r rule; do
    # shellcheck disable=SC2086 # a rule is several words
    ufw --force delete $rule >/dev/null && add $rule
  done
  ufw reload >/dev/null # what is missing
  for tool in iptables ip6tables; do
    beyond "$tool" "${ways[@]}" | sed -n 's/^-A /-D /p' | xargs -r -L1 "$tool"
  done
  in_kernel || fail "the kernel has other rules than ufw: $(differing_rules iptables "${ways[@]}" | paste -sd,)"
  note 'mended the rules in the kernel'
fi

put 644 root:root /etc/monoclaw/metadata.nft {{{metadataRules}}}
put 644 root:root /etc/systemd/system/monoclaw-metadata.service {{{metadataUnit}}}
if changed /etc/monoclaw/metadata.nft /etc/systemd/system/monoclaw-metadata.service; then
  nft -c -f "$(staged /etc/monoclaw/metadata.nft)"
  if [[ ! -e /etc/systemd/system/monoclaw-metadata.service ]]; then
    undo 'nft delete table inet monoclaw_metadata'
  fi
  undo 'systemctl daemon-reload; [[ ! -e /etc/systemd/system/monoclaw-metadata.service ]] || systemctl restart monoclaw-metadata.service'
  commit
  systemctl daemon-reload
  systemctl restart monoclaw-metadata.service
elif ! metadata_closed 2>/dev/null || ! loopback_closed {{{ports}}} 2>/dev/null; then
  systemctl restart monoclaw-metadata.service
  note 'restarted monoclaw-metadata.service'
fi

enable monoclaw-metadata.service

# Names come from the resolver alone: systemd's own would listen to the neighbours, on every address.
if systemctl is-active --quiet systemd-resolved.service; then
  [[ -d /etc/systemd/resolved.conf.d ]] || folder 755 root:root /etc/systemd/resolved.conf.d
  put 644 root:root /etc/systemd/resolved.conf.d/monoclaw.conf <<<$'# Written by monoclaw.\n[Resolve]\nLLMNR=no\nMulticastDNS=no'
  if changed /etc/systemd/resolved.conf.d/monoclaw.conf; then
    undo 'systemctl restart systemd-resolved.service'
    commit
    systemctl restart systemd-resolved.service
  fi
fi

# ufw has taken over from the rules that the bootstrap closed the host with.
if nft list table inet monoclaw_closed >/dev/null 2>&1; then
  nft list table inet monoclaw_closed >"$JOURNAL/closed.nft"
  undo "nft -f '$JOURNAL/closed.nft'"
  nft delete table inet monoclaw_closed
  note 'removed the first rules'
fi
