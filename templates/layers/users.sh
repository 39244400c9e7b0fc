# The primary user (restricted, key only), the service user, and who may log in with which key.
# document: User Isolation; File Permissions
user={{{primaryUser}}}

# locked NAME: no password opens this account.
locked() {
  [[ $(passwd -S "$1" | cut -d' ' -f2) == L ]]
}

if ! id -u "$user" >/dev/null 2>&1; then
  fail "user $user doesn't exist on this host; primaryUser can't be changed on an existing host"
fi
for name in "$user" root; do
  if ! locked "$name"; then
    guard /etc/shadow
    passwd -q -l "$name"
    note "locked the password of $name"
  fi
done

# Groups that lead to root, or to what root reads.
for group in root sudo admin wheel adm disk shadow lxd docker libvirt kvm systemd-journal; do
  if id -nG "$user" | tr ' ' '\n' | grep -qxF "$group"; then
    guard /etc/group /etc/gshadow
    gpasswd -d "$user" "$group" >/dev/null
    note "removed $user from group $group"
  fi
done

if ! id -u openclaw >/dev/null 2>&1; then
  guard /etc/passwd /etc/shadow /etc/group /etc/gshadow
  undo 'rm -rf /var/lib/openclaw'
  useradd --system --home-dir /var/lib/openclaw --shell /usr/sbin/nologin --create-home openclaw
  note 'user openclaw'
fi
IFS=: read -r _ _ uid _ _ home shell < <(getent passwd openclaw)
[[ $home == /var/lib/openclaw && $shell == /usr/sbin/nologin && $uid -lt 1000 ]] ||
  fail "user openclaw exists, but not as a system user with home /var/lib/openclaw and shell /usr/sbin/nologin"
folder 700 openclaw:openclaw /var/lib/openclaw

put 440 root:root /etc/sudoers.d/{{{sudoersName}}} {{{sudoers}}}
if changed /etc/sudoers.d/{{{sudoersName}}}; then
  visudo -c -f "$(staged /etc/sudoers.d/{{{sudoersName}}})" >/dev/null # without -q: it tells what is wrong
fi
commit
visudo -q -c

# The home belongs to the user, who could plant links there: so its files are only ever touched as the user.
as_user() {
  setpriv --reuid="$user" --regid="$user" --clear-groups --reset-env "$@"
}
# shellcheck disable=SC2016 # the inner shell expands these
as_user bash -c 'set -eu; umask 077; mkdir -p ~/.ssh; chmod 700 ~/.ssh; [ -O ~/.ssh ] && [ ! -L ~/.ssh ]'
keys=$(
  cat {{{authorizedKeys}}}
)
# shellcheck disable=SC2016 # the inner shell expands these
now=$(as_user bash -c 'cd ~/.ssh; [ ! -f authorized_keys ] || { stat -c %a authorized_keys; cat authorized_keys; }')
if [[ $now != "600"$'\n'"$keys" ]]; then
  # shellcheck disable=SC2016 # the inner shell expands these
  as_user bash -c 'set -eu; umask 077; cd ~/.ssh; cat >authorized_keys.new; mv -fT authorized_keys.new authorized_keys' \
    <<<"$keys"
  note "authorized_keys of $user"
fi
