#!/usr/bin/env bash
# Receives signed layers: checks an envelope in every respect, then runs its script as root, all or nothing.
# monoclaw-config runs it in a transient systemd unit, so neither the caller's limits and environment nor a lost
# connection reach it.
#
# usage: receiver.sh apply                    the envelope is on stdin
#        receiver.sh confirm LAYER DIGEST     keeps a change that waits for a new connection
#        receiver.sh revert LAYER             puts a change back that nobody confirmed (its timer runs this)
#        receiver.sh recover                  at boot: puts back whatever was under way when the power went
#        receiver.sh first-contact            replaces the single-use host key and prints the new public one
#
# An envelope is a header of fixed lines, an empty line, the script, and an SSH signature (namespace monoclaw-layer)
# over all that precedes it:
#   monoclaw-envelope 1 / host ID / layer NAME / generation N / length BYTES
#
# exit codes: 80 empty, 81 too large, 82 truncated, 83 malformed, 84 unsigned, 85 another key, 86 altered,
#   87 another host's, 88 lower generation, 89 superseded, 90 busy, 91 layer failed (all put back) or cloud-init did, 92 no trust,
#   93 not pending any more, 94 stdin too slow
set -euo pipefail
umask 077

readonly trust=/etc/monoclaw state=/var/lib/monoclaw run=/run/monoclaw scripts=/usr/local/vps-scripts
readonly max_bytes=1048576 stdin_seconds=60

# refuse CODE TEXT: ends with the code; nothing was changed.
refuse() {
  local code=$1
  shift
  printf 'refused: %s\n' "$*" >&2
  logger -t monoclaw -- "refused (${code}): $*"
  exit "$code"
}

main() {
  local command=${1-}
  cd /
  install -d -m 700 "$run" "$state" "$state/journal" "$state/applied" "$state/reverted"
  case $command in
    apply)
      receive
      apply
      ;;
    confirm) confirm "$2" "$3" ;;
    revert) revert "$2" ;;
    recover) recover_all ;;
    first-contact) first_contact ;;
    *)
      printf 'usage: receiver.sh apply|confirm|revert|recover|first-contact\n' >&2
      exit 64
      ;;
  esac
}

# receive: reads the envelope, bounded in size and time, and checks it. Sets LAYER, digest, generation and spool.
receive() {
  local magic host layer gen length header signed total
  spool=$(mktemp -d "$run/apply.XXXXXXXX")
  trap 'rm -rf -- "$spool"' EXIT
  timeout "$stdin_seconds" head -c $((max_bytes + 1)) >"$spool/envelope" ||
    refuse 94 "the envelope wasn't complete within $stdin_seconds seconds"
  total=$(stat -c %s "$spool/envelope")
  ((total > 0)) || refuse 80 "the envelope is empty"
  ((total <= max_bytes)) || refuse 81 "the envelope is larger than $max_bytes bytes"

  # Reading drops NUL bytes; the comparison with the rebuilt header below is what counts.
  { IFS= read -r magic && IFS= read -r host && IFS= read -r layer && IFS= read -r gen && IFS= read -r length; } \
    <"$spool/envelope" 2>/dev/null || truncated_or_malformed
  [[ $magic == 'monoclaw-envelope 1' && $host =~ ^host\ [0-9a-f]{32}$ && $layer =~ ^layer\ [a-z][a-z0-9-]{0,31}$ &&
    $gen =~ ^generation\ [1-9][0-9]{0,8}$ && $length =~ ^length\ [1-9][0-9]{0,6}$ ]] || truncated_or_malformed
  printf -v header '%s\n%s\n%s\n%s\n%s\n\n' "$magic" "$host" "$layer" "$gen" "$length"
  signed=$((${#header} + ${length#length }))
  ((total >= signed)) || refuse 82 "the envelope ends after $total of its $signed bytes"
  ((total > signed)) || refuse 84 "the envelope has no signature"
  cmp -s -n "${#header}" "$spool/envelope" <(printf '%s' "$header") || refuse 83 "the header is malformed"
  head -c "$signed" "$spool/envelope" >"$spool/message"
  tail -c +"$((signed + 1))" "$spool/envelope" >"$spool/signature"
  [[ $(head -n 1 "$spool/signature" | tr -d '\0') == '-----BEGIN SSH SIGNATURE-----' ]] ||
    refuse 83 "what follows the script is not a signature"
  [[ $(tail -c 28 "$spool/signature" | tr -d '\0') == '-----END SSH SIGNATURE-----' ]] ||
    refuse 82 "the signature is incomplete"

  LAYER=${layer#layer }
  generation=${gen#generation }
  digest=$(sha256sum <"$spool/message")
  digest=${digest%% *}
  check_trust "${host#host }"
  check_history
  tail -c +"$((${#header} + 1))" "$spool/message" >"$spool/script"
}

truncated_or_malformed() {
  if (($(wc -l <"$spool/envelope") < 5)); then
    refuse 82 "the envelope ends within its header"
  fi
  refuse 83 "the header is malformed"
}

# check_trust HOST_ID: the envelope is for this host and signed by its signing key.
check_trust() {
  local file
  for file in host-id allowed_signers; do
    [[ -f $trust/$file && ! -L $trust/$file && -s $trust/$file && $(stat -c %u "$trust/$file") == 0 ]] ||
      refuse 92 "$trust/$file is missing, empty or not root's: nothing can be trusted"
  done
  [[ $1 == "$(<"$trust/host-id")" ]] || refuse 87 "the envelope is for host $1, this is $(<"$trust/host-id")"
  ssh-keygen -q -Y find-principals -s "$spool/signature" -f "$trust/allowed_signers" >"$spool/principal" 2>/dev/null ||
    refuse 85 "the signature is not one of this host's signing key"
  grep -qxF monoclaw "$spool/principal" || refuse 85 "the signing key has another principal"
  ssh-keygen -q -Y verify -n monoclaw-layer -I monoclaw -s "$spool/signature" -f "$trust/allowed_signers" \
    <"$spool/message" >/dev/null 2>&1 || refuse 86 "the envelope was altered, or signed for another purpose"
}

# check_history: neither older than what the host has seen, nor replaced by a later envelope of the same layer.
check_history() {
  local highest=0
  [[ ! -s $state/generation ]] || highest=$(<"$state/generation")
  ((generation >= highest)) ||
    refuse 88 "generation $generation is lower than this host's $highest. If the stack really is the newest," \
      "run: pulumi config set monoclaw:generation $((highest + 1)), then pulumi up"
  [[ ! -s $state/applied/$LAYER || $(tail -n 1 "$state/applied/$LAYER") == "$digest" ]] ||
    ! grep -qxF "$digest" "$state/applied/$LAYER" ||
    refuse 89 "a later version of layer $LAYER replaced this one. To go back to it on purpose," \
      "run: pulumi config set monoclaw:generation $((highest + 1)), then pulumi up"
}

# lock_layer: one run of a layer at a time.
lock_layer() {
  exec {lock}>"$run/lock.$LAYER"
  flock -n "$lock" || refuse 90 "another run of layer $LAYER is under way on this host; run pulumi up again when it is done"
  JOURNAL=$state/journal/$LAYER
  export LAYER JOURNAL
}

# apply: runs the received script. Its output goes through a file, so a lost connection can't stop it.
apply() {
  local pid code=0
  lock_layer
  put_back
  install -d -m 700 "$JOURNAL"
  for file in paths undo staged notes; do
    : >"$JOURNAL/$file"
  done
  sync "$JOURNAL"
  : >"$spool/log"
  bash -c 'set -euo pipefail; umask 022; source "$1"; source "$2"' "layer-$LAYER" "$scripts/layer.sh" "$spool/script" \
    </dev/null >"$spool/log" 2>&1 {lock}>&- &
  pid=$!
  tail -n +1 -f -s 0.1 --pid="$pid" "$spool/log" 2>/dev/null {lock}>&- &
  wait "$pid" || code=$?
  wait $! || : # the reader may be gone, the layer isn't
  if ((code != 0)); then
    logger -t monoclaw -- "layer $LAYER failed ($code): $(tail -n 1 "$spool/log")"
    put_back
    printf 'layer %s failed (exit code %s); everything it had changed was put back\n' "$LAYER" "$code" >&2
    exit 91
  fi
  finish
}

# finish: closes the journal, or keeps it open until a new connection confirms.
finish() {
  local notes
  notes=$(paste -sd, "$JOURNAL/notes" | sed 's/,/, /g')
  if [[ -s $JOURNAL/confirm && -n $notes ]]; then
    printf '%s\n' "$digest" >"$JOURNAL/pending"
    install -m 600 "$spool/envelope" "$state/reverted/$LAYER"
    printf '%s\n' "$generation" >"$JOURNAL/generation"
    sync "$JOURNAL"/*
    systemd-run --quiet --collect --unit="monoclaw-revert-$LAYER" --on-active="$(<"$JOURNAL/confirm")" \
      --timer-property=AccuracySec=1s "$scripts/receiver.sh" revert "$LAYER"
  else
    remember
  fi
  logger -t monoclaw -- "layer $LAYER: ${notes:-unchanged} (generation $generation, $digest)"
  printf '%s: %s\n' "$LAYER" "${notes:-unchanged}"
}

# remember: this envelope is the layer's newest now, and the journal is done with.
remember() {
  local highest=0 global
  exec {global}>"$run/lock.generation"
  flock "$global"
  [[ ! -s $state/generation ]] || highest=$(<"$state/generation")
  if ((generation > highest)); then
    write "$state/generation" <<<"$generation"
  fi
  exec {global}>&-
  if [[ ! -s $state/applied/$LAYER || $(tail -n 1 "$state/applied/$LAYER") != "$digest" ]]; then
    { [[ ! -e $state/applied/$LAYER ]] || cat "$state/applied/$LAYER" && printf '%s\n' "$digest"; } |
      write "$state/applied/$LAYER"
  fi
  rm -f -- "$state/reverted/$LAYER"
  drop_journal
}

# write PATH: replaces a state file by stdin, whole or not at all.
write() {
  cat >"$1.new"
  sync "$1.new"
  mv -f -- "$1.new" "$1"
}

drop_journal() {
  # The rename makes it all or nothing: half a journal would put half a layer back.
  rm -rf -- "$JOURNAL.done"
  mv -T -- "$JOURNAL" "$JOURNAL.done"
  rm -rf -- "$JOURNAL.done"
}

# put_back [boot]: restores what the journal holds, if there is one. At boot, of its undo commands only those marked so.
put_back() {
  local -a paths undo
  local n
  [[ -d $JOURNAL ]] || return 0
  if [[ ${1-} != boot ]]; then
    systemctl stop --quiet "monoclaw-revert-$LAYER.timer" 2>/dev/null || : # no timer is the usual case
  fi
  mapfile -t paths <"$JOURNAL/paths"
  for ((n = ${#paths[@]} - 1; n >= 0; n--)); do
    if [[ -e $JOURNAL/$n || -L $JOURNAL/$n ]]; then
      cp -aT -- "$JOURNAL/$n" "${paths[n]%/*}/.${paths[n]##*/}.monoclaw-old"
      mv -fT -- "${paths[n]%/*}/.${paths[n]##*/}.monoclaw-old" "${paths[n]}"
    else
      rm -f -- "${paths[n]}"
    fi
  done
  xargs -r -d '\n' rm -f -- <"$JOURNAL/staged"
  mapfile -t undo <"$JOURNAL/undo"
  for ((n = ${#undo[@]} - 1; n >= 0; n--)); do
    # At boot no service runs yet, so only what says that it needs none.
    [[ ${1-} != boot || ${undo[n]} == ': boot;'* ]] || continue
    # shellcheck disable=SC2016 # the inner shell expands these
    bash -c 'set -euo pipefail; source "$1"; eval "$2"' undo "$scripts/layer.sh" "${undo[n]}" </dev/null >&2 {lock}>&- || {
      printf 'roll-back of layer %s: this command failed, repair by hand: %s\n' "$LAYER" "${undo[n]}" >&2
    }
  done
  drop_journal
}

# confirm LAYER DIGEST: the caller came in over a new connection, so what the layer changed may stay.
confirm() {
  LAYER=$1 digest=$2
  lock_layer
  if [[ -f $JOURNAL/pending && $(<"$JOURNAL/pending") == "$digest" ]]; then
    generation=$(<"$JOURNAL/generation")
    systemctl stop --quiet "monoclaw-revert-$LAYER.timer"
    remember
    printf '%s: confirmed over a new connection\n' "$LAYER"
  elif [[ -s $state/applied/$LAYER && $(tail -n 1 "$state/applied/$LAYER") == "$digest" ]]; then
    printf '%s: in force\n' "$LAYER"
  elif [[ -s $state/reverted/$LAYER ]]; then
    exec {lock}>&-
    "$scripts/receiver.sh" apply <"$state/reverted/$LAYER"
    refuse 93 "nobody had confirmed layer $LAYER in time, so it was put back. It has been applied again now:" \
      "run pulumi up once more, soon, to confirm it"
  else
    refuse 93 "layer $LAYER has nothing to confirm; run: pulumi up --replace on its resource"
  fi
}

# revert LAYER: nobody came back over a new connection.
revert() {
  LAYER=$1
  lock_layer
  [[ -f $JOURNAL/pending ]] || return 0
  logger -t monoclaw -- "layer $LAYER was not confirmed in time: putting it back"
  put_back
}

# recover: at boot, before sshd and the firewall start.
recover_all() {
  local folder
  for folder in "$state"/journal/*/; do
    [[ -d $folder ]] || continue
    LAYER=$(basename "$folder")
    if [[ $LAYER == *.done ]]; then
      rm -rf -- "$folder"
      continue
    fi
    lock_layer
    logger -t monoclaw -- "layer $LAYER was interrupted: putting it back"
    put_back boot
  done
}

# first_contact: the host makes its own key; the one from user_data was for this one connection.
first_contact() {
  local key=/etc/ssh/ssh_host_ed25519_key
  if command -v cloud-init >/dev/null; then
    # 2 says done with warnings; cloud-init(1) documents the codes
    cloud-init status --wait >/dev/null || (($? == 2)) || refuse 91 "cloud-init failed on this host; see: cloud-init status --long"
  fi
  if [[ -e $trust/bootstrap-host-key ]]; then
    rm -f -- "$key.new" "$key.new.pub"
    ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f "$key.new"
    chmod 644 "$key.new.pub"
    mv -f -- "$key.new.pub" "$key.pub"
    mv -f -- "$key.new" "$key"
    rm -f -- "$trust/bootstrap-host-key"
    systemctl try-reload-or-restart ssh.service
  fi
  cut -d' ' -f1,2 "$key.pub"
}

main "$@"
