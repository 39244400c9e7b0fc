# shellcheck shell=bash disable=SC2154 # user, ports and want are audit-words.sh's
# File Permissions, Automatic Updates, and the host's tools themselves.

matrix_rows() {
  local home
  home=$(getent passwd "$user" | cut -d: -f6) || home=/nonexistent
  path 700 root:root /etc/monoclaw directory
  path 600 root:root /etc/monoclaw/auth-token 'regular file'
  path 700 openclaw:openclaw /var/lib/openclaw directory
  path 700 openclaw:openclaw /var/lib/openclaw/.openclaw directory
  path 600 openclaw:openclaw /var/lib/openclaw/.openclaw/openclaw.json 'regular file'
  path 755 root:root /usr/local/vps-scripts directory
  path 700 "$user:$user" "$home/.ssh" directory
  path 600 "$user:$user" "$home/.ssh/authorized_keys" 'regular file'
  # Beyond the requirements: what the signed layers rest on.
  path 600 root:root /etc/monoclaw/allowed_signers 'regular file'
  path 600 root:root /etc/monoclaw/host-id 'regular file'
  path 600 root:root /etc/monoclaw/expected 'regular file'
  path 700 root:root /var/lib/monoclaw directory
}

# loose_scripts: management scripts that somebody else could change.
loose_scripts() {
  find /usr/local/vps-scripts \( ! -user root -o ! -type l -perm /022 \) -print
}

# wrong_commands: commands of the sudo rows that don't lead to their scripts.
wrong_commands() {
  local name
  for name in config logs security status tailscale update; do
    [[ $(readlink "/usr/local/bin/monoclaw-$name") == "/usr/local/vps-scripts/monoclaw-$name" ]] ||
      printf '/usr/local/bin/monoclaw-%s\n' "$name"
  done
}

script_rows() {
  none 'management scripts' "root's, and nobody else may write them" loose_scripts
  is 'management scripts as signed' "$(cd /usr/local/vps-scripts && find . -maxdepth 1 -type f -printf '%P\n' | LC_ALL=C sort |
    xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1)" "${want[scripts]-}"
  none 'management commands' 'each leads to its script' wrong_commands
}

update_rows() {
  local settings unit
  settings=$(apt-config dump) || settings='' # without it the rows fail
  is 'updates lists' "$(sed -n 's/^APT::Periodic::Update-Package-Lists "\(.*\)";/\1/p' <<<"$settings")" 1
  is 'updates unattended' "$(sed -n 's/^APT::Periodic::Unattended-Upgrade "\(.*\)";/\1/p' <<<"$settings")" 1
  # shellcheck disable=SC2016 # apt's own variables
  is 'updates origins' "$(sed -n 's/^Unattended-Upgrade::\(Allowed-Origins\|Origins-Pattern\):: "\(.*\)";$/\2/p' <<<"$settings" | sort | paste -sd' ')" \
    '${distro_id}:${distro_codename}-security origin=Debian,codename=${distro_codename}-security,label=Debian-Security'
  none 'updates held back' 'none' sed -nE '/^APT::Periodic::Enable "0"/p; /^Unattended-Upgrade::Package-(Black|White)list:: /p' <<<"$settings"
  is 'updates reboot' "$(sed -n 's/^Unattended-Upgrade::Automatic-Reboot "\(.*\)";/\1/p' <<<"$settings")" "${want[reboot]-}"
  holds 'updates program' 'unattended-upgrade is installed' test -x /usr/bin/unattended-upgrade
  for unit in apt-daily apt-daily-upgrade; do
    is "updates $unit" "$(unit_states is-active "$unit.timer"), $(unit_states is-enabled "$unit.timer" "$unit.service")" 'active, enabled static'
  done
  path 644 root:root /etc/apt/apt.conf.d/50unattended-upgrades 'regular file'
  path 644 root:root /etc/apt/apt.conf.d/20auto-upgrades 'regular file'
}

# A clock that is far off fails TLS (apt, the tailnet, the gateway's models), and hides when things happened.
clock_row() {
  local state
  state=$(clock_state)
  case $state in
    synchronised) row PASS 'clock' 'synchronised' ;;
    container) row PASS 'clock' "the machine's that this container runs on" ;;
    *) row WARN 'clock' "$state, must be synchronised; see timedatectl, and: timedatectl set-ntp true" ;;
  esac
}

stack_rows() {
  if [[ -n ${want[primaryUser]-} && -n ${want[sshPorts]-} && -n ${want[sshd.port]-} ]]; then
    row PASS 'stack' 'has said what it expects of this host'
  else
    row FAIL 'stack' 'must have said in /etc/monoclaw/expected what it expects of this host; pulumi up says it'
  fi
  is 'recovery at boot' "$(unit_states is-enabled monoclaw-recover.service)" enabled
  if [[ -e /etc/monoclaw/token-regenerated ]]; then
    row WARN 'token source' "was regenerated on this host; take it over with: ${want[rotateToken]-}"
  else
    row PASS 'token source' 'the stack'
  fi
  if [[ -n $(find /var/lib/monoclaw/journal -mindepth 2 -name pending -print -quit) ]]; then
    row WARN 'changes' 'one of sshd or the firewall waits to be confirmed'
  else
    row PASS 'changes' 'none waits to be confirmed'
  fi
}

matrix_rows
script_rows
update_rows
clock_row
stack_rows
