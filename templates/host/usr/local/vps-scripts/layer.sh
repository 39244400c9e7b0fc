# shellcheck shell=bash
# The words that layers are written in. receiver.sh sources this file, then runs the signed script of the layer.
#
# A layer's changes are all or nothing: whatever it is about to change is journalled under $JOURNAL first, and the
# receiver puts it back if the script fails, is killed, or isn't confirmed in time. The journal holds
#   paths    one path a line; the version before is the file with the line's number (counted from 0), none if it was absent
#   undo     one shell command a line, run last first once the files are back
#   staged   one candidate file a line, removed at the end
#   notes    what changed, a phrase a line
#   confirm  seconds until the change is put back, unless a new connection confirms it
#
# variables: LAYER (name of the layer), JOURNAL (its journal folder); both set by the receiver

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

# undo COMMAND: a command line to run on roll-back.
undo() {
  printf '%s\n' "$1" >>"$JOURNAL/undo"
  sync "$JOURNAL/undo"
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
  local mode=$1 owner=$2 path=$3 now
  if [[ -L $path ]]; then
    fail "$path is a symbolic link; it must be a folder"
  elif [[ ! -d $path ]]; then
    undo "rmdir --ignore-fail-on-non-empty -- $(printf '%q' "$path")"
    install -d -m "$mode" -o "${owner%:*}" -g "${owner#*:}" "$path"
    note "$path"
  else
    now=$(stat -c '%a %U:%G' "$path")
    if [[ $now != "${mode#0} $owner" ]]; then
      undo "chown ${now#* } $(printf '%q' "$path"); chmod ${now% *} $(printf '%q' "$path")"
      chown "$owner" "$path"
      chmod "$mode" "$path"
      note "mode and owner of $path"
    fi
  fi
}

# installed_packages: the names of all installed packages, sorted.
installed_packages() {
  # shellcheck disable=SC2016 # dpkg's own variables
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u
}

# packages NAME...: installs those that are missing, and purges what came with them on roll-back.
packages() {
  local -a missing apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold)
  local before="$JOURNAL/packages" deadline=$((SECONDS + 300)) lists
  mapfile -t missing < <(comm -23 <(printf '%s\n' "$@" | sort -u) <(installed_packages))
  ((${#missing[@]} > 0)) || return 0
  progress "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  # Layers run side by side, and apt's own lock doesn't queue an update of the lists.
  exec {lock}>/run/monoclaw/lock.apt
  flock -w 300 "$lock" || fail "another apt run has gone on for 5 minutes"
  installed_packages >"$before"
  undo "comm -13 $before <(installed_packages) | DEBIAN_FRONTEND=noninteractive xargs -r ${apt[*]} purge"
  lists=$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 -print -quit)
  if [[ -z $lists ]] || ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >"$JOURNAL/apt.log" 2>&1; then
    until "${apt[@]}" update >"$JOURNAL/apt.log" 2>&1; do
      if ((SECONDS > deadline)) || ! grep -q 'Could not get lock' "$JOURNAL/apt.log"; then
        tail -n 20 "$JOURNAL/apt.log" >&2
        fail "apt-get update failed"
      fi
      sleep 1
    done
    if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >"$JOURNAL/apt.log" 2>&1; then
      tail -n 20 "$JOURNAL/apt.log" >&2
      fail "apt-get install ${missing[*]} failed"
    fi
  fi
  exec {lock}>&-
  note "installed ${missing[*]}"
}

# enable UNIT: starts the unit at boot from now on.
enable() {
  if [[ $(systemctl is-enabled "$1" 2>/dev/null) != enabled ]]; then
    undo "find /etc/systemd/system -path '*.wants/$1' -delete"
    systemctl enable --quiet "$1"
    note "enabled $1"
  fi
}

# confirm_within SECONDS: puts the change back after so long, unless a new connection confirms it.
confirm_within() {
  printf '%s\n' "$1" >"$JOURNAL/confirm"
}
