# sshd: keys only, one user, one port, no forwarding but TCP.
# requirements: SSH
user={{{primaryUser}}}
ports=({{{ports}}})

# expect KEY VALUE: what sshd uses for a login of the primary user, whatever else lies in sshd_config.d.
expect() {
  local now
  now=$(sed -n "s/^$1 //p" <<<"$effective" | sort | paste -sd,)
  [[ ${now,,} == "${2,,}" ]] || fail "sshd's $1 is '$now', not '$2': another file in /etc/ssh overrides it"
}

# tell_sshd: makes sshd, or systemd in its place, read the configuration; sessions that are open stay open. A socket can
# only be opened anew while its service is down; the next connection starts that again.
tell_sshd='systemctl daemon-reload; if systemctl is-active --quiet ssh.socket; then systemctl stop --quiet ssh.service; systemctl restart ssh.socket; else systemctl reload-or-restart ssh.service; fi'

files=(/etc/ssh/sshd_config.d/{99-custom,00-monoclaw}.conf /etc/ssh/sshd_config /etc/systemd/system/ssh.socket.d/monoclaw.conf)

# dirty: what sshd reads has changed, or it hasn't read it yet: it writes its pid file whenever it does.
dirty() {
  changed "${files[@]}" || [[ -n $beaten ]] ||
    [[ -e /run/sshd.pid && -n $(find /etc/ssh/sshd_config /etc/ssh/sshd_config.d -type f -newercm /run/sshd.pid) ]]
}

folder 755 root:root /etc/systemd/system/ssh.socket.d
put 644 root:root /etc/systemd/system/ssh.socket.d/monoclaw.conf {{{socketDropIn}}}
put 644 root:root /etc/ssh/sshd_config.d/99-custom.conf {{{sshdConfig}}}
put 644 root:root /etc/ssh/sshd_config.d/00-monoclaw.conf {{{sshdFirst}}}

# sshd takes the first value, so what sorts before ours beats it. These add up, or the last one counts, so they stand in our files alone. A
# drop-in that has them is set aside; in sshd_config itself they become comments.
beaten=''
added_up='^[[:space:]]*(Port|ListenAddress|HostKey|MaxStartups|PerSourceNetBlockSize|(Allow|Deny)(Users|Groups))[[:space:]=]'
for file in /etc/ssh/sshd_config.d/*.conf; do
  if [[ $file != */00-monoclaw.conf && $file != */99-custom.conf ]] &&
    { [[ $file < /etc/ssh/sshd_config.d/00-monoclaw.conf ]] || grep -qiE "$added_up|^[[:space:]]*Match\b" "$file"; }; then
    aside "$file"
    beaten=yes
  fi
done
if grep -qiE "$added_up" /etc/ssh/sshd_config; then
  sed -E "s/$added_up/# monoclaw: &/I" /etc/ssh/sshd_config | put 600 root:root /etc/ssh/sshd_config
fi

install -d -m 755 /run/sshd # sshd -t and -T want it, and socket activation makes it only while sshd runs

# A drop-in with an error keeps sshd from starting at all, so it goes as well.
if ! sshd -t 2>/dev/null; then
  for file in /etc/ssh/sshd_config.d/*.conf; do
    if [[ $file != */00-monoclaw.conf && $file != */99-custom.conf ]] && ! sshd -t -f "$file" 2>/dev/null; then
      aside "$file"
      beaten=yes
    fi
  done
fi

if dirty; then
  sshd -t -f "$(staged /etc/ssh/sshd_config.d/99-custom.conf)" || fail 'sshd refuses the new configuration'
  undo "$tell_sshd"
  undo_at_boot 'systemctl daemon-reload'
  commit
  sshd -t || fail 'sshd refuses its configuration as a whole'
fi

effective=$(sshd -T -C "user=$user,host=localhost,addr=127.0.0.1")
{{#effective}}
expect {{key}} {{{value}}}
{{/effective}}

if dirty; then
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
# Not by systemctl enable: it brings an alias as well, and systemd may lose the running sshd over it.
boot=/etc/systemd/system/multi-user.target.wants/ssh.service
if [[ ! -L $boot && ! -L /etc/systemd/system/sockets.target.wants/ssh.socket ]]; then
  guard "$boot"
  ln -s "$(systemctl show ssh.service -p FragmentPath --value)" "$boot"
  note 'enabled ssh.service'
fi
