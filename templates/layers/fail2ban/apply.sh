# fail2ban: an address with five failed SSH logins within ten minutes is shut out for an hour.
# requirements: fail2ban
jail=/etc/fail2ban/jail.d/sshd.local
filter=/etc/fail2ban/filter.d/sshd.local

put 644 root:root "$jail" {{{jail}}}
put 644 root:root "$filter" {{{filter}}}
# Another file's words on this jail beat ours, or add to them; Debian's own only enables it.
beaten=''
for file in /etc/fail2ban/jail.d/*.conf /etc/fail2ban/jail.d/*.local /etc/fail2ban/jail.local; do
  if [[ -f $file && $file != "$jail" && $file != */defaults-debian.conf ]] && grep -qF '[sshd]' "$file"; then
    undo 'systemctl try-restart fail2ban.service'
    aside "$file"
    beaten=yes
  fi
done

if changed "$jail" "$filter"; then
  candidate=$JOURNAL/fail2ban
  cp -a /etc/fail2ban "$candidate"
  cp -T "$(staged "$jail")" "$candidate/jail.d/sshd.local"
  cp -T "$(staged "$filter")" "$candidate/filter.d/sshd.local"
  fail2ban-client -c "$candidate" -t >"$JOURNAL/fail2ban.log" 2>&1 ||
    fail "fail2ban refuses the jail: $(tail -n 3 "$JOURNAL/fail2ban.log")"
  undo 'systemctl try-restart fail2ban.service'
  commit
fi
enable fail2ban.service

# in_force: the jail runs, on these ports and with these numbers.
in_force() {
  local key
  for key in 'maxretry {{{maxretry}}}' 'findtime {{{findtime}}}' 'bantime {{{bantime}}}'; do
    [[ $(fail2ban-client get sshd "${key% *}") == "${key#* }" ]] || return 1
  done 2>/dev/null
  fail2ban-client get sshd action nftables-multiport port 2>/dev/null | grep -qxF {{{quotedPorts}}}
}

if changed "$jail" "$filter" || [[ -n $beaten ]] || ! in_force; then
  systemctl restart fail2ban.service
  for ((tries = 0; ; tries++)); do
    in_force && break
    ((tries < 100)) || fail "the jail sshd isn't in force: $(fail2ban-client status sshd 2>&1 | paste -sd' ')"
    sleep 0.1
  done
  note 'restarted fail2ban'
fi
