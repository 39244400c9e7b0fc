# shellcheck shell=bash disable=SC2154 # user, ports and want are audit-words.sh's
# User Isolation, Restricted Sudo, SSH Key Management: accounts, keys, and what sudo really grants.

account_rows() {
  local entry uid account
  entry=$(getent passwd openclaw) || entry=: # missing fails the rows
  uid=$(cut -d: -f3 <<<"$entry")
  is 'service user home' "$(cut -d: -f6 <<<"$entry")" /var/lib/openclaw
  is 'service user shell' "$(cut -d: -f7 <<<"$entry")" /usr/sbin/nologin
  if [[ $uid =~ ^[0-9]+$ ]] && ((uid > 0 && uid < 1000)); then
    row PASS 'service user uid' "$uid, a system user's"
  else
    row FAIL 'service user uid' "is '$uid', must be a system user's: 1 to 999"
  fi
  is 'service user groups' "$(id -nG openclaw 2>/dev/null)" openclaw
  is 'primary user groups' "$(id -nG "$user" 2>/dev/null)" "$user"
  for account in root "$user" openclaw; do
    is "password of $account" "$(passwd -S "$account" 2>/dev/null | cut -d' ' -f2)" L
  done
  is 'accounts with uid 0' "$(awk -F: '$3 == 0 {print $1}' /etc/passwd | sort | paste -sd,)" root
  # shellcheck disable=SC2016 # awk's field
  none 'accounts with a password' 'none' awk -F: '$2 !~ /^[!*]/ {print $1}' /etc/shadow
}

key_rows() {
  local home keys
  home=$(getent passwd "$user" | cut -d: -f6) || home=/nonexistent
  # As the user: root must not follow what the user may have put there.
  keys=$(as_account "$user" head -c 1048576 -- "$home/.ssh/authorized_keys" | sha256sum) || keys=unreadable
  is 'authorized keys' "${keys%% *}" "${want[authorizedKeys]-}"
  none 'authorized key types' 'Ed25519, or RSA of 4096 bits or more' weak_keys "$home/.ssh/authorized_keys"
  none "root's keys" 'none' find /root/.ssh -maxdepth 1 -name 'authorized_keys*' -size +0
}

# weak_keys FILE: keys of another type than the requirements allow.
weak_keys() {
  local listed
  listed=$(as_account "$user" ssh-keygen -lf "$1") || return
  awk '{type = $NF; if (type !~ /^\(ED25519(-SK)?\)$/ && !(type == "(RSA)" && $1 >= 4096)) print $1, type, $2}' <<<"$listed"
}

# granted: what sudo lets the primary user do, a command a line, each with its tags.
granted() {
  sudo -l -U "$user" 2>/dev/null | awk '
    /may run the following commands/ {rows = 1; next}
    !rows {next}
    /^    \(/ {if (line != "") print line; line = $0; next}
    {line = line " " $0}
    END {if (line != "") print line}' |
    sed -E 's/ +/ /g; s/^ //' | while IFS= read -r line; do
    tags=$(grep -oE '^\([^)]*\)( [A-Z_]+:)*' <<<"$line")
    line=${line#"$tags" }
    printf '%s\n' "$tags ${line//, /$'\n'"$tags" }"
  done
}

# rights: the rows on stdin as every sudo's: sudo-rs (Ubuntu 26.04) shows no escapes, and the place that /bin leads to.
rights() {
  sed 's/\\//g; s|: /bin/|: /usr/bin/|' | sort -u
}

# rows_of_sudo: what it must let the user do, in the same form.
rows_of_sudo() {
  local word
  for word in config status logs security update tailscale; do
    printf '(root) NOPASSWD: /usr/local/bin/monoclaw-%s\n' "$word"
  done
  for word in restart start stop; do
    printf '(root) NOPASSWD: %s/systemctl %s openclaw\n' /bin "$word" /usr/bin "$word"
  done
  printf '(root) NOEXEC: NOPASSWD: %s\n' '/bin/systemctl status openclaw' '/usr/bin/systemctl status openclaw' \
    '/usr/bin/tailscale status' '/usr/bin/tailscale serve status' '/usr/bin/tailscale serve reset' \
    '/usr/bin/tailscale serve --bg http\://127.0.0.1\:18789' '/usr/bin/tailscale serve --bg --https\=443 off'
}

# differing_sudo: what sudo grants too much, and too little.
differing_sudo() {
  { diff <(rows_of_sudo | rights) <(granted | rights) || (($? == 1)); } | sed -n 's/^> /also grants /p; s/^< /lacks /p'
}

# sudoers_text: what sudo reads, in its order.
sudoers_text() {
  local file
  sed '/^[@#]includedir/,$d' /etc/sudoers
  for file in /etc/sudoers.d/*; do
    [[ ${file##*/} == *.* || $file == *~ ]] || cat -- "$file"
  done
  sed '1,/^[@#]includedir/d' /etc/sudoers
}

# defaults: sudo's settings for the user, one a line. sudo-rs shows none, so they are read from its files; there, what
# counts for some commands or groups only is shown with its first word.
defaults() {
  local shown
  shown=$(sudo -l -U "$user" 2>/dev/null) || return
  if [[ $shown == *'Matching Defaults'* ]]; then
    sed -n '/^Matching Defaults/,/^$/p' <<<"$shown" | sed 1d | tr '\n' ' '
  else
    sudoers_text | sed -z 's/\\\n//g' | sed -nE "s/^[[:space:]]*Defaults(:$user)?[[:space:]]+//p; t
      /^[[:space:]]*Defaults:[a-z_][a-z0-9_-]*[[:space:]]/d; /^[[:space:]]*Defaults/p" | paste -sd,
  fi | tr -d '\\"' | sed 's/, */\n/g' | sed 's/^ *//; s/ *$//'
}

# loose_defaults: settings of sudo that loosen what it does for the user. Of each the last counts.
loose_defaults() {
  local -a settings
  local setting path='' reset='' setenv='' pty=''
  mapfile -t settings < <(defaults)
  for setting in "${settings[@]}"; do
    case $setting in
      env_reset | '!env_reset') reset=$setting ;;
      setenv | '!setenv') setenv=$setting ;;
      use_pty | '!use_pty') pty=$setting ;;
      secure_path=*) path=$setting ;;
      mail_badpass | umask=0022 | '!env_keep' | '') ;;
      *) printf '%s\n' "$setting" ;;
    esac
  done
  [[ $reset == env_reset ]] || printf 'no env_reset\n'
  [[ $setenv == '!setenv' ]] || printf 'no !setenv\n'
  [[ $pty == use_pty ]] || printf 'no use_pty\n'
  [[ $path == 'secure_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' ]] || printf '%s\n' "${path:-no secure_path}"
}

# service_grants: what sudo lets the service user do.
service_grants() {
  local shown
  shown=$(sudo -l -U openclaw 2>/dev/null) || : # what counts is the sentence
  [[ $shown == *'User openclaw is not allowed to run sudo'* ]] || printf '%s\n' "${shown:-sudo says nothing}"
}

sudo_rows() {
  path 440 root:root "/etc/sudoers.d/010_$user-limited" 'regular file'
  holds 'sudoers syntax' 'visudo accepts all of it' visudo -q -c
  none 'sudo rows' "just the requirements'" differing_sudo
  none 'sudo settings' 'a clean environment, a fixed path, a terminal of its own' loose_defaults
  none 'sudo for openclaw' 'nothing' service_grants
}

account_rows
key_rows
sudo_rows
