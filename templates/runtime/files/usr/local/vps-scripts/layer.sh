# shellcheck shell=bash
# The words that layers are written in. receiver.sh sources this file, then runs the signed script of the layer.
#
# A layer's changes are all or nothing: whatever it is about to change is journalled under $JOURNAL first, and the
# receiver puts it back if the script fails, is killed, or isn't confirmed in time. The journal holds
#   paths    one path a line; the version before is the file with the line's number (counted from 0), none if it was absent
#   undo     one shell command a line, run last first once the files are back
#   staged   one candidate file a line, removed at the end
#   notes    what changed, a phrase a line
#   secret   there if the envelope must not be kept on the host
#   confirm  seconds until the change is put back, unless a new connection confirms it
#
# variables: LAYER (name of the layer), JOURNAL (its journal folder), both set by the receiver; apt_seconds (how long to wait
#   for another apt)
apt_seconds=300

# fail TEXT: ends the layer; everything it changed is put back.
fail() {
  printf 'error: %s: %s\n' "$LAYER" "$*" >&2
  exit 1
}

# progress TEXT: a line for the person who waits.
progress() {
  printf '%s: %s\n' "$LAYER" "$*"
}

# note TEXT: adds to the closing line, which says what changed.
note() {
  printf '%s\n' "$*" >>"$JOURNAL/notes"
}

# undo COMMAND: a command line to run on roll-back, but not at boot, when no service runs yet.
undo() {
  printf '%s\n' "$1" >>"$JOURNAL/undo"
  sync "$JOURNAL/undo"
}

# undo_at_boot COMMAND: the same, and also if the roll-back comes at boot. The receiver's is_for_boot knows the mark before it.
undo_at_boot() {
  undo ": boot; $1"
}

# guard PATH...: journals files, links or their absence before they are changed.
guard() {
  local path count
  for path in "$@"; do
    if grep -qxF -- "$path" "$JOURNAL/paths"; then
      continue
    fi
    count=$(wc -l <"$JOURNAL/paths")
    if [[ -e $path || -L $path ]]; then
      cp -aT -- "$path" "$JOURNAL/$count"
      [[ -L $path ]] || sync "$JOURNAL/$count" # of a link, sync would take the target
      sync "$JOURNAL"
    fi
    printf '%s\n' "$path" >>"$JOURNAL/paths"
    sync "$JOURNAL/paths"
  done
}

# candidate PATH: where the next version of PATH is staged, beside it so that a rename swaps it in.
candidate() {
  printf '%s/.%s.monoclaw-new' "${1%/*}" "${1##*/}"
}

# put MODE OWNER:GROUP PATH: stages the text on stdin as the next version of PATH; nothing if PATH is that already.
put() {
  local mode=$1 owner=$2 path=$3 new
  new=$(candidate "$path")
  printf '%s\n' "$new" >>"$JOURNAL/staged"
  install -m "$mode" -o "${owner%:*}" -g "${owner#*:}" /dev/stdin "$new"
  if [[ -f $path && ! -L $path ]] && [[ $(stat -c '%a %U:%G' "$path") == "$(stat -c '%a %U:%G' "$new")" ]] &&
    cmp -s "$new" "$path"; then
    rm -f -- "$new"
  fi
}

# staged PATH: the staged candidate, or PATH itself if it doesn't change: what a validator should read.
staged() {
  local new
  new=$(candidate "$1")
  if [[ -f $new ]]; then
    printf '%s' "$new"
  else
    printf '%s' "$1"
  fi
}

# changed [PATH...]: true if one of these paths (any at all, if none is named) is staged or was changed in this run.
changed() {
  local path
  if (($# == 0)); then
    [[ -s $JOURNAL/notes || -s $JOURNAL/paths ]] && return 0
    while IFS= read -r path; do
      [[ -e $path ]] && return 0
    done <"$JOURNAL/staged"
    return 1
  fi
  for path in "$@"; do
    if [[ -e $(candidate "$path") ]] || grep -qxF -- "$path" "$JOURNAL/paths"; then
      return 0
    fi
  done
  return 1
}

# commit: journals the old versions, then swaps every staged file in.
commit() {
  local new path
  local -a swap=()
  while IFS= read -r new; do
    [[ -e $new ]] || continue
    path=${new##*/.}
    swap+=("${new%/*}/${path%.monoclaw-new}")
  done <"$JOURNAL/staged"
  ((${#swap[@]} > 0)) || return 0
  guard "${swap[@]}"
  for path in "${swap[@]}"; do
    new=$(candidate "$path")
    sync "$new"
    mv -fT -- "$new" "$path"
    note "$path"
  done
}

# folder MODE OWNER:GROUP PATH: makes the folder, or mends its mode and owner.
folder() {
  local mode=$1 owner=$2 path=$3
  if [[ -L $path ]]; then
    fail "$path is a symbolic link; it must be a folder"
  elif [[ ! -d $path ]]; then
    undo "rmdir --ignore-fail-on-non-empty -- $(printf '%q' "$path")"
    install -d -m "$mode" -o "${owner%:*}" -g "${owner#*:}" "$path"
    note "$path"
  else
    owned "$mode" "$owner" "$path"
  fi
}

# owned MODE OWNER:GROUP PATH: mends mode and owner of what is there.
owned() {
  local mode=$1 owner=$2 path=$3 now
  now=$(stat -c '%a %U:%G' "$path")
  if [[ $now != "${mode#0} $owner" ]]; then
    undo "chown ${now#* } $(printf '%q' "$path"); chmod ${now% *} $(printf '%q' "$path")"
    chown -h "$owner" "$path"
    chmod "$mode" "$path"
    note "mode and owner of $path"
  fi
}

# aside PATH: puts somebody else's file that overrides this layer out of force: it stays beside its place, as PATH.disabled.
aside() {
  guard "$1" "$1.disabled"
  mv -fT -- "$1" "$1.disabled"
  note "set aside $1 which overrides this layer"
}

# known_packages [installed]: the names of all packages that dpkg has files of (that are wholly installed), sorted.
known_packages() {
  # shellcheck disable=SC2016 # dpkg's own variables
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -nE "${1:+/^$1 /!d;}/^(not-installed|config-files) /d;s/^\S+ //p" | sort -u
}

# clock: whole seconds of a clock that nobody sets. (Bash's SECONDS jumps when the host's clock is corrected.)
clock() {
  local seconds
  read -r seconds _ </proc/uptime
  printf '%s' "${seconds%.*}"
}

# apt_get COMMAND...: apt-get without questions. Where a killed run left dpkg half-way, it ends that first.
apt_get() {
  local -x DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  local -a options=(-q -y -o DPkg::Lock::Timeout="$apt_seconds" -o Dpkg::Options::=--force-confold)
  apt-get "${options[@]}" "$@" >"$JOURNAL/apt.log" 2>&1 && return
  grep -q 'dpkg was interrupted' "$JOURNAL/apt.log" || return 1
  dpkg --configure -a --force-confold >"$JOURNAL/apt.log" 2>&1 &&
    apt-get "${options[@]}" "$@" >"$JOURNAL/apt.log" 2>&1
}

# purge_new FILE: removes the packages that came after FILE was written.
purge_new() {
  local -a new
  mapfile -t new < <(comm -13 "$1" <(known_packages))
  ((${#new[@]} == 0)) || apt_get purge "${new[@]}"
}

# packages NAME...: installs those that are missing, and purges what came with them on roll-back.
packages() {
  local -a missing
  local before="$JOURNAL/packages" deadline lists
  mapfile -t missing < <(comm -23 <(printf '%s\n' "$@" | sort -u) <(known_packages installed))
  ((${#missing[@]} > 0)) || return 0
  progress "installing ${missing[*]}"
  deadline=$(($(clock) + apt_seconds))
  # Layers run side by side, and apt's own lock doesn't queue an update of the lists.
  exec {lock}>/run/monoclaw/lock.apt
  flock -w "$apt_seconds" "$lock" || fail "another layer's apt has run for $apt_seconds s; run pulumi up again when it is done"
  known_packages >"$before"
  sync "$before"
  undo "purge_new $before"
  lists=$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 -print -quit)
  if [[ -z $lists ]] || ! apt_get install --no-install-recommends "${missing[@]}"; then
    until apt_get --error-on=any update; do
      grep -q 'Could not get lock' "$JOURNAL/apt.log" || apt_failed "apt-get update failed"
      (($(clock) <= deadline)) || apt_failed "another apt has held its lock for $apt_seconds s; run pulumi up again when it is done"
      sleep 1
    done
    apt_get install --no-install-recommends "${missing[@]}" || apt_failed "apt-get install ${missing[*]} failed"
  fi
  exec {lock}>&-
  note "installed ${missing[*]}"
}

# apt_failed TEXT: ends the layer with the last words of apt.
apt_failed() {
  tail -n 20 "$JOURNAL/apt.log" >&2
  fail "$1"
}

# enable UNIT: starts the unit at boot from now on.
enable() {
  if [[ $(systemctl is-enabled "$1" 2>/dev/null) != enabled ]]; then
    undo "find /etc/systemd/system -path '*.wants/$1' -delete"
    systemctl enable --quiet "$1"
    note "enabled $1"
  fi
}

# secret: the envelope isn't kept on the host once it is applied, for it holds a secret.
secret() {
  : >"$JOURNAL/secret"
}

# confirm_within SECONDS: puts the change back after so long, unless a new connection confirms it.
confirm_within() {
  printf '%s\n' "$1" >"$JOURNAL/confirm"
}
