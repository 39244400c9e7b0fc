# unattended-upgrades: security updates every day, nothing else by itself.
# requirements: Updates
conf=/etc/apt/apt.conf.d

put 644 root:root "$conf/50unattended-upgrades" {{{unattended}}}
put 644 root:root "$conf/20auto-upgrades" {{{periodic}}}
for name in 50unattended-upgrades 20auto-upgrades; do
  if changed "$conf/$name"; then
    apt-config -c "$(staged "$conf/$name")" dump >/dev/null || fail "apt refuses $name"
  fi
done
commit

# wrong: what apt uses that it shouldn't, whatever else lies in apt.conf.d.
wrong() {
  local settings line origins wanted
  settings=$(apt-config dump)
  for line in 'APT::Periodic::Update-Package-Lists "1";' 'APT::Periodic::Unattended-Upgrade "1";' \
    'Unattended-Upgrade::Automatic-Reboot "'{{{reboot}}}'";'; do
    grep -qxF "$line" <<<"$settings" || printf 'no %s\n' "$line"
  done
  sed -nE '/^APT::Periodic::Enable "0"/p; /^Unattended-Upgrade::Package-(Black|White)list:: /p' <<<"$settings"
  # shellcheck disable=SC2016 # apt's own variables
  wanted='${distro_id}:${distro_codename}-security origin=Debian,codename=${distro_codename}-security,label=Debian-Security'
  origins=$(sed -n 's/^Unattended-Upgrade::\(Allowed-Origins\|Origins-Pattern\):: "\(.*\)";$/\2/p' <<<"$settings" | sort | paste -sd' ')
  [[ $origins == "$wanted" ]] || printf 'origins %s\n' "$origins"
}
# What sorts behind ours beats it, and lists add up.
if [[ -n $(wrong) ]]; then
  for file in "$conf"/* /etc/apt/apt.conf; do
    if [[ -f $file && $file != */50unattended-upgrades && $file != */20auto-upgrades && $file != *.disabled ]] &&
      grep -qE 'Unattended-Upgrade|Periodic' "$file"; then
      aside "$file"
    fi
  done
fi
[[ -z $(wrong) ]] || fail "apt would not install just the security updates; a file in /etc/apt overrides $conf: $(wrong | paste -sd' ')"

for timer in apt-daily.timer apt-daily-upgrade.timer; do
  for masked in "$timer" "${timer%.timer}.service"; do
    if [[ $(readlink "/etc/systemd/system/$masked") == /dev/null ]]; then
      guard "/etc/systemd/system/$masked"
      undo 'systemctl daemon-reload'
      rm -f -- "/etc/systemd/system/$masked"
      systemctl daemon-reload
      note "unmasked $masked"
    fi
  done
  enable "$timer"
  if ! systemctl is-active --quiet "$timer"; then
    undo "systemctl stop $timer"
    systemctl start "$timer"
    note "started $timer"
  fi
done
