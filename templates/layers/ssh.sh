# sshd: keys only, one user, one port, no forwarding but TCP.
# document: SSH Hardening
user={{{primaryUser}}}
ports=({{{ports}}})

# expect KEY VALUE: what sshd uses for a login of the primary user, whatever else lies in sshd_config.d.
expect() {
  local now
  now=$(sed -n "s/^$1 //p" <<<"$effective" | sort | paste -sd,)
  [[ ${now,,} == "${2,,}" ]] || fail "sshd's $1 is '$now', not '$2': another file in /etc/ssh overrides it"
}

# tell_sshd: makes sshd read its configuration; sessions that are open stay open.
tell_sshd='if systemctl is-active --quiet ssh.socket; then systemctl daemon-reload; systemctl restart ssh.socket; else systemctl reload-or-restart ssh.service; fi'

put 644 root:root /etc/ssh/sshd_config.d/99-custom.conf {{{sshdConfig}}}
put 644 root:root /etc/ssh/sshd_config.d/00-monoclaw.conf {{{sshdFirst}}}

if changed /etc/ssh/sshd_config.d/99-custom.conf /etc/ssh/sshd_config.d/00-monoclaw.conf; then
  install -d -m 755 /run/sshd # sshd -t wants it, and socket activation makes it only while sshd runs
  sshd -t -f "$(staged /etc/ssh/sshd_config.d/99-custom.conf)" || fail 'sshd refuses the new configuration'
  undo "$tell_sshd"
  commit
  sshd -t || fail 'sshd refuses its configuration as a whole'
fi

effective=$(sshd -T -C "user=$user,host=localhost,addr=127.0.0.1")
expect port {{{sortedPorts}}}
expect authenticationmethods publickey
expect passwordauthentication no
expect pubkeyauthentication yes
expect kbdinteractiveauthentication no
expect permitrootlogin no
expect allowusers "$user"
expect maxauthtries 3
expect logingracetime 20
expect clientaliveinterval 300
expect clientalivecountmax 2
expect allowtcpforwarding yes
expect allowagentforwarding no
expect x11forwarding no

if changed /etc/ssh/sshd_config.d/99-custom.conf /etc/ssh/sshd_config.d/00-monoclaw.conf; then
  bash -c "$tell_sshd"
  for port in "${ports[@]}"; do
    for ((tries = 0; ; tries++)); do
      [[ -n $(ss -Hltn "sport = :$port") ]] && break
      ((tries < 100)) || fail "sshd doesn't listen on port $port"
      sleep 0.1
    done
  done
  note 'reloaded sshd'
  confirm_within {{{confirmSeconds}}}
fi
