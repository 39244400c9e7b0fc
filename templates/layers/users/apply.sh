# The primary user (restricted, key only), the service user, and who may log in with which key.
# requirements: Service user; Files
user={{{primaryUser}}}

if ! id -u "$user" >/dev/null 2>&1; then
  fail "user $user doesn't exist on this host; primaryUser can't be changed on an existing host"
fi
# No password opens any account; a service that wants to log in has no business here.
while IFS= read -r name; do
  guard /etc/shadow
  passwd -q -l "$name"
  note "locked the password of $name"
done < <(awk -F: '$2 !~ /^[!*]/ {print $1}' /etc/shadow)

if ! id -u openclaw >/dev/null 2>&1; then
  guard /etc/passwd /etc/shadow /etc/group /etc/gshadow
  undo 'rm -rf /var/lib/openclaw'
  useradd --system --home-dir /var/lib/openclaw --shell /usr/sbin/nologin --create-home openclaw
  note 'user openclaw'
fi
IFS=: read -r _ _ uid _ _ home shell < <(getent passwd openclaw)
((uid > 0 && uid < 1000)) || fail "user openclaw exists, but not as a system user: its uid is $uid, must be less than 1000"
if [[ $home != /var/lib/openclaw || $shell != /usr/sbin/nologin ]]; then
  guard /etc/passwd
  # usermod refuses while the gateway runs.
  sed -i -E 's|^(openclaw:([^:]*:){4}).*|\1/var/lib/openclaw:/usr/sbin/nologin|' /etc/passwd
  note 'home and shell of user openclaw'
fi
# A further group may lead to root, or to what root reads.
for name in "$user" openclaw; do
  if [[ $(id -nG "$name") != "$(id -ng "$name")" ]]; then
    guard /etc/group /etc/gshadow
    usermod -G '' "$name"
    note "removed $name from all groups but its own"
  fi
done
folder 700 openclaw:openclaw /var/lib/openclaw
for file in allowed_signers host-id auth-token; do
  if [[ -f /etc/monoclaw/$file && ! -L /etc/monoclaw/$file ]]; then
    owned 600 root:root "/etc/monoclaw/$file"
  fi
done

sudoers=/etc/sudoers.d/{{{sudoersName}}}
put 440 root:root "$sudoers" {{{sudoers}}}
if changed "$sudoers"; then
  visudo -c -f "$(staged "$sudoers")" >/dev/null # without -q: it tells what is wrong
fi
commit
# In sudoers the last match wins: a file of somebody else (cloud-init's, for one) could undo ours.
for file in /etc/sudoers.d/*; do
  if [[ -f $file && $file != "$sudoers" && ${file##*/} != README && ${file##*/} != *.* ]] &&
    { ! visudo -q -c -f "$file" >/dev/null || grep -qE "^[[:space:]]*(Defaults|User_Alias|ALL[[:space:]]|#[0-9]|%?($user|openclaw)[[:space:],])" "$file"; }; then
    aside "$file"
  fi
done
visudo -q -c >/dev/null || fail 'visudo refuses /etc/sudoers'

# rights: the commands of these rows, each once; a system may name the same folder /bin or /usr/bin.
rights() {
  sed 's/\\//g; s|^/bin/|/usr/bin/|' | sort -u
}
# What sudo itself says, for the user may stand in an alias, or in /etc/sudoers.
listed=$(sudo -ll -U "$user")
given=$(awk '/^ *RunAs(Users|Groups): / {as = as $2} /^ *Options: .*setenv/ {as = as ",setenv"} /^Sudoers entry:/ {as = ""}
  /^\t/ {sub(/^\t/, ""); print (as == "root" ? "" : "(" as ") ") $0}' <<<"$listed" | rights)
wanted=$(sed -n "s/^$user ALL=(root) NOPASSWD: \(NOEXEC: \)\?//p" "$sudoers" | rights)
[[ $given == "$wanted" ]] ||
  fail "sudo's rows for $user aren't the requirements': $(diff <(printf '%s\n' "$wanted") <(printf '%s\n' "$given") |
    sed -n 's/^< /lacks /p; s/^> /also has /p' | paste -sd, | sed 's/,/, /g'). Find the file with: sudo -ll -U $user"
# sudo-rs lists no Defaults. Ours must be the last, as they then beat everybody's.
defaults=$(sed -n "s/^Defaults:$user //p" "$sudoers" | tr -d '"' | paste -sd, | sed 's/,/, /g')
now=$(sed -n 's/\\//g; /^Matching Defaults/,/^$/s/^    //p' <<<"$listed")
[[ (-z $now || $now == *"$defaults") && $listed != *'Runas and Command-specific defaults'* ]] ||
  fail "a file has Defaults of sudo that beat those of $sudoers: $now. Find it with: grep -r Defaults /etc/sudoers /etc/sudoers.d"

# Root never logs in, so no key may.
for file in /root/.ssh/authorized_keys /root/.ssh/authorized_keys2; do
  if [[ -s $file ]]; then
    guard "$file"
    rm -f -- "$file"
    note "removed $file"
  fi
done

# The home belongs to the user, who could plant links there: so its files are only ever touched as the user, and not for long.
as_user() {
  timeout -k 1 20 setpriv --reuid="$user" --regid="$user" --clear-groups --reset-env "$@"
}
keys=$(
  cat {{{authorizedKeys}}}
)
# shellcheck disable=SC2016 # the inner shell expands these
now=$(as_user bash -c 'cd && [ -d .ssh ] && [ ! -L .ssh ] && cd .ssh && [ -f authorized_keys ] || exit 0
  stat -c %a . authorized_keys; cat authorized_keys' 2>/dev/null) || now='' # whatever keeps them from being read
if [[ $now != $'700\n600\n'"$keys" ]]; then
  # What stands in the way goes: a link or a file in the folder's place, a folder in the file's. The new file has a name that nobody guesses.
  # shellcheck disable=SC2016 # the inner shell expands these
  as_user bash -c 'set -eu; umask 077; chmod u+rwx ~; cd
    gone() { [ -L "$1" ] || chmod -R u+rwx -- "$1"; rm -rf -- "$1"; }
    if [ -L .ssh ] || { [ -e .ssh ] && [ ! -d .ssh ]; }; then gone .ssh; fi
    mkdir -p .ssh; chmod 700 .ssh; cd .ssh
    new=$(mktemp .authorized_keys.XXXXXXXX); cat >"$new"
    if [ -d authorized_keys ] && [ ! -L authorized_keys ]; then gone authorized_keys; fi
    mv -fT "$new" authorized_keys' <<<"$keys" || fail "authorized_keys of $user can't be written: is a process of that user at it? (pgrep -u $user -a)"
  note "authorized_keys of $user"
fi
