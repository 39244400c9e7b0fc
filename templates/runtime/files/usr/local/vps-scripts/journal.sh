# shellcheck shell=bash
# shellcheck disable=SC2154,SC2119,SC2120 # the receiver sets the variables and makes the calls
# How the receiver keeps a layer all or nothing, whatever is killed when. receiver.sh sources this file.
#
# In /var/lib/monoclaw/journal:
#   LAYER        what the layer is about to change (layer.sh says how); it is put back, unless this folder was renamed:
#   LAYER.done   the change stays; only the books are still to be closed
#   LAYER.gone   nothing any more: the folder is being removed
# In each of the first two: envelope, and accepted (digest and serial). pending: waits for a confirmation.
#
# variables: state, run, scripts, spool (of the receiver), LAYER, JOURNAL (set by lock_layer)

# lock_layer [SECONDS]: one run of a layer at a time. Waits so long for the other one; not at all by default.
lock_layer() {
  try_lock "${1:-0}" ||
    refuse 90 "another run of layer $LAYER is under way on this host; run pulumi up again when it is done"
  settle
}

try_lock() {
  JOURNAL=$state/journal/$LAYER
  export LAYER JOURNAL
  exec {lock}>"$run/lock.$LAYER"
  flock -w "$1" "$lock"
}

# begin: a new journal. All that the receiver writes later is written now, while a full disk changes nothing yet.
begin() {
  rm -rf -- "$JOURNAL.new"
  {
    install -d -m 700 "$JOURNAL.new" && touch "$JOURNAL.new"/{paths,undo,staged,notes} &&
      { [[ ! -e $spool/envelope ]] || cp -- "$spool/envelope" "$JOURNAL.new/envelope"; } &&
      printf '%s %s\n' "${digest-}" "${serial-}" >"$JOURNAL.new/accepted" &&
      { [[ -z ${serial-} ]] || write "$state/given/$LAYER" <"$JOURNAL.new/accepted"; } &&
      sync "$JOURNAL.new"/* "$JOURNAL.new" && mv -T -- "$JOURNAL.new" "$JOURNAL"
  } || refuse 95 "can't write to $state: is the disk full or read-only? (df -h -i $state)"
}

# run_script SCRIPT: runs it as the layer. Its output goes into a file, so a lost connection can't stop it.
run_script() {
  local code=0
  put_back
  begin
  bash -c 'set -euo pipefail; umask 022; source "$1"; source "$2"' "layer-$LAYER" "$scripts/layer.sh" "$1" \
    </dev/null 2>&1 {lock}>&- &
  wait "$!" || code=$?
  if ((code != 0)); then
    logger -t monoclaw -- "layer $LAYER failed ($code): $(tail -n 1 "$spool/out")"
    put_back
    printf 'layer %s failed (exit code %s); everything it had changed was put back\n' "$LAYER" "$code" >&2
    exit 91
  fi
}

# finish: the change stays, or waits until a new connection confirms it. What was confirmed once needs it no more.
finish() {
  local notes
  notes=$(sed ':all; N; $!b all; s/\n/, /g' "$JOURNAL/notes")
  if [[ -s $JOURNAL/confirm && -n $notes ]] && ! is_newest; then
    # The timer first: what is pending without one would never be put back. Its clock is the monotonic one.
    systemd-run --quiet --collect --unit="monoclaw-revert-$LAYER" --on-active="$(<"$JOURNAL/confirm")" \
      --timer-property=AccuracySec=1s --property=ExecStopPost="$scripts/receiver.sh tidy" \
      "$scripts/receiver.sh" revert "$LAYER"
    mv -T -- "$JOURNAL/confirm" "$JOURNAL/pending"
  else
    keep
  fi
  logger -t monoclaw -- "layer $LAYER: ${notes:-unchanged} (serial $serial, $digest)"
  printf '%s: %s\n' "$LAYER" "${notes:-unchanged}"
}

# is_pending [DIGEST]: a change of this layer (this one) waits for its confirmation.
is_pending() {
  [[ -e $JOURNAL/pending && $(<"$JOURNAL/accepted") == "${1-}"* ]]
}

# is_running: a run of the envelope with this digest is under way, or waits to be confirmed.
is_running() {
  [[ $(cat "$state/journal/$LAYER/accepted" 2>/dev/null) == "$digest "* ]]
}

# is_newest: the envelope with this digest is the one that this layer has now.
is_newest() {
  [[ -s $state/applied/$LAYER && $(tail -n 1 "$state/applied/$LAYER") == "$digest"* ]]
}

# keep: the change stays from here on. One rename, so whatever happens it stays whole or goes whole.
keep() {
  mv -T -- "$JOURNAL" "$JOURNAL.done"
  sync "$state/journal"
  settle
}

# settle: closes the books of a change that stays; again, if that was interrupted.
settle() {
  local digest serial global
  [[ -d $JOURNAL.done ]] || return 0
  read -r digest serial <"$JOURNAL.done/accepted"
  exec {global}>"$run/lock.books"
  flock "$global"
  # For repair; but a secret lies in one place only.
  rm -f -- "$state/unconfirmed/$LAYER" "$state/not-confirmed/$LAYER"
  if [[ -e $JOURNAL.done/secret ]]; then
    rm -f -- "$state/envelopes/$LAYER"
  elif [[ -e $JOURNAL.done/envelope ]]; then
    mv -fT -- "$JOURNAL.done/envelope" "$state/envelopes/$LAYER"
  fi
  is_newest || write "$state/applied/$LAYER" <<<"$digest $serial"
  grep -qsxF "$LAYER" "$state/order" || append "$LAYER" "$state/order"
  exec {global}>&-
  discard "$JOURNAL.done"
}

# write PATH: replaces a state file by stdin, whole or not at all.
write() {
  cat >"$1.new" && sync "$1.new" && mv -f -- "$1.new" "$1"
}

# append LINE PATH: adds a line to a state file, whole or not at all.
append() {
  { [[ ! -e $2 ]] || cat -- "$2" && printf '%s\n' "$1"; } | write "$2"
}

# discard FOLDER: removes a journal. The rename makes it all or nothing: half a journal would put half a layer back.
discard() {
  rm -rf -- "$JOURNAL.gone"
  mv -T -- "$1" "$JOURNAL.gone"
  rm -rf -- "$JOURNAL.gone"
}

# is_for_boot LINE: the line of a journal's undo is by undo_at_boot of layer.sh.
is_for_boot() {
  [[ $1 == ': boot;'* ]]
}

# put_back [boot]: restores what the journal holds, if there is one. At boot, of its undo commands only those marked so.
put_back() {
  local -a paths undo
  local n old
  [[ -d $JOURNAL ]] || return 0
  if [[ ${1-} != boot ]]; then
    systemctl stop --quiet "monoclaw-revert-$LAYER.timer" 2>/dev/null || : # no timer is the usual case
  fi
  xargs -r -d '\n' rm -f -- <"$JOURNAL/staged" # first of all, for the disk may be full
  mapfile -t paths <"$JOURNAL/paths"
  for ((n = ${#paths[@]} - 1; n >= 0; n--)); do
    if [[ -e $JOURNAL/$n || -L $JOURNAL/$n ]]; then
      old=${paths[n]%/*}/.${paths[n]##*/}.monoclaw-old
      rm -rf -- "$old"
      # A link needs no room on the disk; a copy is for another file system.
      cp -alT -- "$JOURNAL/$n" "$old" 2>/dev/null || cp -aT -- "$JOURNAL/$n" "$old"
      mv -fT -- "$old" "${paths[n]}"
    else
      rm -f -- "${paths[n]}"
    fi
  done
  mapfile -t undo <"$JOURNAL/undo"
  for ((n = ${#undo[@]} - 1; n >= 0; n--)); do
    # At boot no service runs yet, so only what says that it needs none.
    if [[ ${1-} == boot ]] && ! is_for_boot "${undo[n]}"; then continue; fi
    # shellcheck disable=SC2016 # the inner shell expands these
    bash -c 'set -euo pipefail; source "$1"; eval "$2"' undo "$scripts/layer.sh" "${undo[n]}" </dev/null >&2 {lock}>&- || {
      printf 'roll-back of layer %s: this command failed, repair by hand: %s\n' "$LAYER" "${undo[n]}" >&2
    }
  done
  # What nobody confirmed may be asked for again.
  if is_pending && [[ -e $JOURNAL/envelope ]]; then
    mv -fT -- "$JOURNAL/envelope" "$state/unconfirmed/$LAYER"
  fi
  discard "$JOURNAL"
}

# count_unconfirmed: nobody confirmed the envelope of this journal in time, once more. A full disk keeps no change from being put back.
count_unconfirmed() {
  local digest
  read -r digest _ <"$JOURNAL/accepted"
  append "$digest" "$state/not-confirmed/$LAYER" || logger -t monoclaw -- "can't write to $state/not-confirmed"
}

# times_unconfirmed: how often the envelope with this digest was put back because nobody confirmed it.
times_unconfirmed() {
  local times=0 book=$state/not-confirmed/$LAYER
  [[ ! -s $book ]] || times=$(grep -cxF "$digest" "$book" || :) # grep says 1 for none
  printf '%s' "$times"
}

# left_over LAYER [boot]: puts back or settles what a run of this layer has left, unless another run is at it.
left_over() {
  LAYER=$1
  try_lock 0 || return 0
  settle
  if [[ $2 != boot ]] && is_pending && systemctl is-active --quiet "monoclaw-revert-$LAYER.timer"; then
    return
  fi
  if [[ -d $JOURNAL ]]; then
    logger -t monoclaw -- "layer $LAYER was interrupted: putting it back"
    ! is_pending || count_unconfirmed
    put_back "$2"
  fi
  rm -rf -- "$JOURNAL.new" "$JOURNAL.gone"
}

# each_journal COMMAND [boot]: the receiver's COMMAND for each layer that has a journal; a failure of one stops no other.
each_journal() {
  local layer code=0
  for layer in $(find "$state/journal" -mindepth 1 -maxdepth 1 -printf '%f\n' | sed 's/\..*//' | sort -u); do
    "$scripts/receiver.sh" "$1" "$layer" "${2-}" || code=$?
  done
  return "$code"
}
