#!/usr/bin/env bash
# Receives signed layers: checks an envelope in every respect, then does what it asks for as root, all or nothing.
# monoclaw-config runs it in a transient systemd unit, so neither the caller's limits and environment nor a lost
# connection reach it. When the unit ends, however it ends, `tidy` puts back what was left half done.
#
# usage: receiver.sh apply                    the envelope is on stdin; the signed answer comes on stdout, all else on stderr
#        receiver.sh revert LAYER             puts a change back that nobody confirmed (its timer runs this)
#        receiver.sh verify                   as apply, but only says whether it would be accepted
#        receiver.sh repair                   applies every layer again, as it was confirmed
#        receiver.sh reapply LAYER            applies one layer again, as it was confirmed
#        receiver.sh regenerate-token         makes a new gateway token here
#        receiver.sh leave                    takes this host off its tailnet, soon: what the tailnet layer asks for at its end
#        receiver.sh tidy                     puts back or closes what a killed run has left
#        receiver.sh recover                  at boot: the same for whatever was under way when the power went
#        receiver.sh first-contact            replaces the single-use host key; the signed answer is the new public one
#
# An envelope is a header of fixed lines, an empty line, the script, and an SSH signature (namespace monoclaw-layer)
# over all that precedes it:
#   monoclaw-envelope 2 / host ID / machine ID / layer NAME / serial N / act ACT / content plain|age / length BYTES
# ACT is apply, or for a change that waits, with the digest of its envelope: `confirm DIGEST` keeps it, for the sender came in over a new
# connection; `await DIGEST` waits for that, and applies the change again if it was put back. Those two have no script.
#
# An answer is signed with the SSH host key (namespace monoclaw-answer), which only root reads:
#   monoclaw-answer 1 / request DIGEST / outcome done / length BYTES, an empty line, what the run said, the signature
#
# exit codes: 80 empty, 81 too large, 82 truncated, 83 malformed, 84 unsigned, 85 another key, 86 altered,
#   87 another host's or machine's, 88 can't be decrypted, 89 superseded, 90 busy, 91 layer failed (all put back) or cloud-init did,
#   92 no trust, 93 not pending any more, 94 stdin too slow, 95 disk full or read-only, 96 ended before its time (monoclaw-config says it)
set -euo pipefail
umask 077

readonly trust=/etc/monoclaw state=/var/lib/monoclaw run=/run/monoclaw scripts=/usr/local/vps-scripts
readonly max_bytes=1048576 stdin_seconds=60 max_unconfirmed=4 host_key=/etc/ssh/ssh_host_ed25519_key
spool='' speaking='' speakers=()
# shellcheck source=templates/runtime/files/usr/local/vps-scripts/journal.sh
source "$scripts/journal.sh"

# refuse CODE TEXT: ends with the code; nothing was changed.
refuse() {
  local code=$1
  shift
  printf 'refused: %s\n' "$*" >&2
  logger -t monoclaw -- "refused (${code}): $*"
  exit "$code"
}

main() {
  local command=${1-} answer=${ANSWER-}
  unset ANSWER # a receiver that this one runs speaks for itself only
  # Ended by a signal, systemd would call it a success.
  trap 'exit 143' TERM INT HUP
  cd /
  install -d -m 700 "$run" "$state" "$state/journal" "$state/applied" "$state/unconfirmed" "$state/not-confirmed" "$state/envelopes" "$state/asked" "$state/given" ||
    refuse 95 "can't write to $state: is the disk full or read-only? (df -h -i $state)"
  case $command in
    repair | reapply | regenerate-token | leave) speak ;;
  esac
  case $command in
    apply)
      receive
      request=$digest
      speak answering # not before: what it refuses it says itself, even if there is no room for a file, and it holds no lock
      case $act in
        apply) apply ;;
        confirm) confirm ;;
        await) await_confirmation ;;
      esac
      make_answer >>"$spool/answer"
      ;;
    verify)
      receive
      check_history
      printf 'layer %s, serial %s: this host would accept it\n' "$LAYER" "$serial"
      ;;
    repair) repair ;;
    reapply) reapply "$2" ;;
    regenerate-token) regenerate_token ;;
    leave) leave ;;
    revert) revert "$2" ;;
    tidy)
      tidy
      return # whether the run was done, it has said itself
      ;;
    recover) each_journal left-over boot ;;
    left-over) left_over "$2" "${3-}" ;;
    first-contact) first_contact ;;
    *)
      printf 'usage: receiver.sh apply|verify|revert|repair|tidy|recover|regenerate-token|leave|first-contact\n' >&2
      exit 64
      ;;
  esac
  say_done
}

# say_done: who asked takes nothing else for a success. It may be gone, and its file with it.
say_done() {
  [[ ! -e $answer ]] || printf 'done\n' >"$answer"
}

# speak [answering]: from here on what this run says goes through files, from which processes pass it on. Whoever asked may not read
# it, and must not hold up the layer or its lock by that. What programs of other users have said is in it, so control characters are not.
# Who answers says everything on stderr, and the answer alone on stdout.
speak() {
  make_spool
  : >"$spool/out"
  : >"$spool/err"
  : >"$spool/answer"
  sleep infinity &
  speaking=$!
  if [[ -n ${1-} ]]; then
    pass_on "$spool/answer" 2>/dev/null &
    speakers=("$!")
    pass_on "$spool/out" >&2 2>/dev/null &
  else
    pass_on "$spool/out" 2>/dev/null &
  fi
  speakers+=("$!")
  pass_on "$spool/err" >&2 2>/dev/null &
  speakers+=("$!")
  exec >>"$spool/out" 2>>"$spool/err"
}

# make_answer: prints the signed answer to the request, with what the run said.
make_answer() {
  {
    LC_ALL=C sed 's/[^\t -~]/?/g' "$spool/out" >"$spool/text" &&
      printf 'monoclaw-answer 1\nrequest %s\noutcome done\nlength %s\n\n' "$request" "$(stat -c %s "$spool/text")" >"$spool/signed" &&
      cat "$spool/text" >>"$spool/signed"
  } || refuse 95 "can't write to $run: is it full? (df -h -i $run)"
  cat "$spool/signed"
  ssh-keygen -q -Y sign -n monoclaw-answer -f "$host_key" <"$spool/signed" 2>/dev/null ||
    refuse 92 "$host_key doesn't sign: is it missing?"
}

# pass_on FILE: prints what it gains, until the run has said all.
pass_on() {
  tail -n +1 -f -s 0.1 --pid="$speaking" "$1" | LC_ALL=C sed -u 's/[^\t -~]/?/g'
}

# hush: all is said. Who hasn't read it five seconds later never hears it; the lock is free before.
hush() {
  local late
  [[ -n $speaking ]] || return 0
  [[ ! -v lock ]] || exec {lock}>&-
  kill "$speaking"
  speaking=''
  { sleep 5 && kill "${speakers[@]}"; } >/dev/null 2>&1 &
  late=$!
  wait "${speakers[@]}" || :    # they were ended, or their reader is gone
  kill "$late" 2>/dev/null || : # it has just ended
}

# over: the end of every run that has a spool.
over() {
  hush
  rm -rf -- "$spool"
}

# make_spool: a folder of this run, which goes with it: tidy knows it by the unit's invocation, a later run by its lock.
make_spool() {
  local turn held left
  [[ -z $spool ]] || return 0
  exec {turn}>"$run/lock.spools"
  flock "$turn"
  for left in "$run"/spool.*; do
    [[ ! -d $left ]] || flock -n "$left" rm -rf -- "$left" || : # a run is at it
  done
  spool=$(mktemp -d "$run/spool.${INVOCATION_ID-}.XXXXXXXX") || refuse 95 "can't write to $run: is it full? (df -h -i $run)"
  trap over EXIT
  exec {held}<"$spool"
  flock "$held"
  exec {turn}>&- # not before: another run would take this one's for what is left
}

# receive: reads the envelope, bounded in size and time, and checks it. Sets LAYER, digest, serial, act, subject (the digest that a
# confirmation names) and spool.
receive() {
  local magic host machine layer number asks content length header signed armor total code=0 line='[A-Za-z0-9+/=]{1,70}'$'\n'
  make_spool
  timeout "$stdin_seconds" head -c $((max_bytes + 1)) >"$spool/envelope" || code=$?
  ((code != 124)) || refuse 94 "the envelope wasn't complete within $stdin_seconds seconds"
  ((code == 0)) || refuse 95 "can't write to $run: is it full? (df -h -i $run)"
  total=$(stat -c %s "$spool/envelope")
  ((total > 0)) || refuse 80 "the envelope is empty"
  ((total <= max_bytes)) || refuse 81 "the envelope is larger than $max_bytes bytes"

  # Reading drops NUL bytes; the comparison with the rebuilt header below is what counts.
  { IFS= read -r magic && IFS= read -r host && IFS= read -r machine && IFS= read -r layer && IFS= read -r number && IFS= read -r asks &&
    IFS= read -r content && IFS= read -r length; } <"$spool/envelope" 2>/dev/null || truncated_or_malformed
  [[ $magic != 'monoclaw-envelope 1' ]] || older_format "$machine" "$layer"
  [[ $magic == 'monoclaw-envelope 2' && $host =~ ^host\ [0-9a-f]{32}$ && $machine =~ ^machine\ [0-9a-f]{32}$ &&
    $layer =~ ^layer\ [a-z][a-z0-9-]{0,31}$ && $number =~ ^serial\ [1-9][0-9]{0,14}$ &&
    $asks =~ ^act\ (apply|(confirm|await)\ [0-9a-f]{64})$ && $content =~ ^content\ (plain|age)$ &&
    $length =~ ^length\ (0|[1-9][0-9]{0,6})$ ]] || truncated_or_malformed
  printf -v header '%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n\n' "$magic" "$host" "$machine" "$layer" "$number" "$asks" "$content" "$length"
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
  # One signature and nothing else: the dot keeps the last line break, and a file with NUL bytes is longer than what was read.
  armor=$(tr -d '\0' <"$spool/signature" && printf .)
  if [[ ! $armor =~ ^-----BEGIN\ SSH\ SIGNATURE-----$'\n'($line)+-----END\ SSH\ SIGNATURE-----$'\n'\.$ ]] ||
    ((${#armor} != $(stat -c %s "$spool/signature") + 1)); then
    refuse 83 "something stands within or behind the signature"
  fi

  LAYER=${layer#layer }
  serial=${number#serial }
  read -r _ act subject <<<"$asks"
  digest=$(sha256sum <"$spool/message")
  digest=${digest%% *}
  check_trust "${host#host }" "${machine#machine }"
  tail -c +"$((${#header} + 1))" "$spool/message" >"$spool/script"
  if [[ $content == *' age' ]]; then
    mv -- "$spool/script" "$spool/encrypted"
    age --decrypt --identity "$host_key" --output "$spool/script" "$spool/encrypted" ||
      refuse 88 "the script of layer $LAYER can't be decrypted on this host"
  fi
}

# older_format LAYER GENERATION: the stack sends one envelope of the first format, which brings a host of that format this receiver.
older_format() {
  [[ "$1 $2" == 'layer receiver generation 999999999' ]] ||
    refuse 83 'the envelope is of the first format, which this host takes no more: is this an old checkout of the program?'
  printf 'this host takes the second format\n'
  say_done
  exit
}

truncated_or_malformed() {
  if (($(wc -l <"$spool/envelope") < 8)); then
    refuse 82 "the envelope ends within its header"
  fi
  refuse 83 "the header is malformed"
}

# machine_id: names this machine by its SSH host key.
machine_id() {
  local sum
  sum=$(cut -d' ' -f1,2 "$host_key.pub" | tr -d '\n' | sha256sum)
  printf '%s' "${sum::32}"
}

# check_trust HOST_ID MACHINE_ID: the envelope is for this host and machine, and signed by its signing key.
check_trust() {
  local file
  for file in host-id allowed_signers; do
    [[ -f $trust/$file && ! -L $trust/$file && -s $trust/$file && $(stat -c %u "$trust/$file") == 0 &&
    (-z $(find "$trust/$file" -perm /022) || -z $(find "$trust" -maxdepth 0 -perm /011)) ]] ||
      refuse 92 "$trust/$file is missing, empty or not root's alone: nothing can be trusted"
  done
  [[ $1 == "$(<"$trust/host-id")" ]] || refuse 87 "the envelope is for host $1, this is $(<"$trust/host-id")"
  [[ $2 == "$(machine_id)" ]] || refuse 87 "the envelope is for another machine, which had this one's place: its SSH host key was another"
  ssh-keygen -q -Y find-principals -s "$spool/signature" -f "$trust/allowed_signers" >"$spool/principal" 2>/dev/null ||
    refuse 85 "the signature is not one of this host's signing key"
  grep -qxF monoclaw "$spool/principal" || refuse 85 "the signing key has another principal"
  ssh-keygen -q -Y verify -n monoclaw-layer -I monoclaw -s "$spool/signature" -f "$trust/allowed_signers" \
    <"$spool/message" >/dev/null 2>&1 || refuse 86 "the envelope was altered, or signed for another purpose"
}

# check_history: newer than all that this layer was ever given, or just what it has, or what it was given last: that may have failed.
check_history() {
  local has given
  has=$(serial_of "$state/applied/$LAYER")
  given=$(serial_of "$state/given/$LAYER")
  ((given <= has)) || has=$given
  is_newest || ((serial > has)) || [[ $(cat "$state/given/$LAYER" 2>/dev/null) == "$digest $serial" ]] ||
    refuse 89 "this host has a later version of layer $LAYER: serial $has, this one has $serial. If this one is the stack's newest, the" \
      "clock where pulumi runs was set back, or is wrong: set it right and run pulumi up again. If the host's serial is" \
      "from a clock that was ahead, run: pulumi config set monoclaw:serial $((has + 1)), then pulumi up"
}

# check_asked: a confirmation counts once, whoever hands it in again.
check_asked() {
  local books has
  exec {books}>"$run/lock.books"
  flock "$books"
  has=$(serial_of "$state/asked/$LAYER.$act")
  ((serial > has)) || refuse 89 "this was asked before: serial $serial, this host has seen $has; run pulumi up again. If the clock where" \
    "pulumi runs was ahead until now, first: pulumi config set monoclaw:serial $((has + 1))"
  write "$state/asked/$LAYER.$act" <<<"$digest $serial"
  exec {books}>&-
}

# serial_of FILE: the serial in the last line of a book; 0 if there is none, as in the books of the first format.
serial_of() {
  local found=''
  [[ ! -s $1 ]] || read -r _ found < <(tail -n 1 "$1") || :
  printf '%s' "${found:-0}"
}

# apply: what is in force already may be handed in by anybody, as often as he likes; so it waits for nobody, and what is new goes first.
# What nobody confirms is applied max_unconfirmed times at most; a signed confirmation, which counts once, may ask for it again.
apply() {
  local turn
  exec {turn}>"$run/lock.$LAYER.turn"
  if is_newest; then
    flock -n "$turn" || refuse 90 "a new version of layer $LAYER waits for its turn on this host"
    exec {turn}>&-
    lock_layer
  else
    flock -s "$turn"
    lock_layer "$(is_running && printf 0 || printf 60)"
    exec {turn}>&-
  fi
  check_history
  # Whoever hands in a copy can neither give a change more time nor take it back before its time.
  if is_pending "$digest"; then
    printf '%s: waits to be confirmed\n' "$LAYER"
    return
  elif is_pending && is_newest; then
    refuse 90 "a later version of layer $LAYER waits on this host to be confirmed"
  elif (($(times_unconfirmed) >= max_unconfirmed)); then
    printf '%s: was put back %s times, as nobody confirmed it; a confirmation applies it again\n' "$LAYER" "$max_unconfirmed"
    return
  fi
  run_script "$spool/script"
  finish
}

# confirm: the sender came in over a new connection, so what the layer changed may stay.
confirm() {
  digest=$subject
  is_known
  # Who asks for what is in force takes no lock.
  if ! is_running && is_newest; then
    printf '%s: in force\n' "$LAYER"
    return
  fi
  check_asked
  lock_layer 60
  if is_pending "$digest"; then
    keep
    systemctl stop --quiet "monoclaw-revert-$LAYER.timer" 2>/dev/null || : # it may elapse just now, and finds nothing to do
    printf '%s: confirmed over a new connection\n' "$LAYER"
  elif is_newest; then
    printf '%s: in force\n' "$LAYER"
  else
    apply_again "$subject"
    is_pending || return 0
    refuse 93 "nobody had confirmed layer $LAYER in time, so it was put back. It has been applied again now:" \
      "run pulumi up once more, soon, to confirm it"
  fi
}

# is_known: this host has a layer of that name; of any other there is nothing to confirm, nor to lock.
is_known() {
  JOURNAL=$state/journal/$LAYER
  [[ -e $state/applied/$LAYER || -d $JOURNAL || -e $state/unconfirmed/$LAYER ]] || refuse 93 "this host has no layer $LAYER"
}

# apply_again DIGEST: applies the change of that digest, which was put back because nobody confirmed it.
apply_again() {
  local layer=$LAYER
  [[ -s $state/unconfirmed/$LAYER ]] ||
    refuse 93 "layer $LAYER has nothing to confirm; run: pulumi up --replace on its resource"
  receive <"$state/unconfirmed/$LAYER"
  [[ $LAYER == "$layer" && $digest == "$1" ]] ||
    refuse 93 "layer $layer has nothing of this digest to confirm; run: pulumi up --replace on its resource"
  check_history
  run_script "$spool/script"
  finish
}

# await_confirmation: for a change of the way in. It comes in by the old way, and fails if nobody gets in by the new.
await_confirmation() {
  digest=$subject
  is_known
  lock_layer 60
  if ! is_newest && ! is_pending "$digest"; then
    check_asked
    apply_again "$subject"
  fi
  until is_newest; do
    exec {lock}>&-
    sleep 0.2
    [[ -e $JOURNAL/pending ]] && continue
    lock_layer 60
    # shellcheck disable=SC2016 # for the operator's shell
    is_newest || is_pending "$digest" || refuse 93 "nobody came in by the new way in time, so layer $LAYER was put back" \
      'and this host answers by the old one only. If a new port is blocked on the way, open it there and run pulumi up' \
      'again. To go back instead: pulumi config set monoclaw:sshPort "$(pulumi config get monoclaw:previousSshPort)" &&' \
      'pulumi config rm monoclaw:previousSshPort && pulumi up. If the new way is the tailnet, see docs/tailnet.md, SSH over' \
      'the tailnet alone'
  done
  printf '%s: in force\n' "$LAYER"
}

# revert LAYER: nobody came back over a new connection. It waits for as long as a run may take: no other will put the change back.
revert() {
  LAYER=$1
  lock_layer 1800
  is_pending || return 0
  logger -t monoclaw -- "layer $LAYER was not confirmed in time: putting it back"
  count_unconfirmed
  put_back
}

# repair: every layer once more, in the order in which they first came, so that what has drifted is as signed again.
# The audit comes last: it tells what the others could not mend. REPAIR tells the layers that this was asked for on the host.
repair() {
  local code=0 layer
  export REPAIR=yes
  [[ -s $state/order ]] || refuse 93 'no layer has been applied on this host yet'
  while IFS= read -r layer <&3; do
    # One of the first format is of a layer that the stack has no more.
    if [[ -s $state/envelopes/$layer && $(head -n 1 "$state/envelopes/$layer") == 'monoclaw-envelope 2' ]]; then
      "$scripts/receiver.sh" reapply "$layer" </dev/null 3<&- || code=$?
    fi
  done 3< <(
    grep -vxF audit "$state/order"
    grep -xF audit "$state/order"
  )
  return "$code"
}

# reapply LAYER: what this host has now.
reapply() {
  LAYER=$1
  lock_layer
  ! is_pending || refuse 90 "a change of layer $LAYER waits to be confirmed, so it isn't repaired now"
  receive <"$state/envelopes/$LAYER"
  is_newest || refuse 89 "the kept envelope of layer $LAYER isn't its newest; run: pulumi up --replace on its resource"
  run_script "$spool/script"
  finish
}

# regenerate_token: a new token, made here, all or nothing like a layer.
regenerate_token() {
  LAYER=gateway-token
  make_spool
  lock_layer
  run_script "$scripts/regenerate-token.sh"
  logger -t monoclaw -- "the gateway's token was regenerated on this host"
  discard "$JOURNAL"
}

# leave: takes this host off its tailnet. Nothing to leave is fine.
leave() {
  LAYER=tailnet
  make_spool
  lock_layer 60
  run_script "$scripts/leave-tailnet.sh"
  logger -t monoclaw -- 'this host is off its tailnet'
  discard "$JOURNAL"
}

# tidy: the unit of a run has ended. If it ended before its time, all or nothing still holds, whether or not anybody reads what is said.
tidy() {
  exec > >(exec logger -t monoclaw) 2>&1
  [[ -z ${INVOCATION_ID-} ]] || rm -rf -- "$run/spool.$INVOCATION_ID".*
  each_journal left-over
}

# first_contact: the host makes its own key; the one from user_data was for this one connection.
first_contact() {
  local key=$host_key
  request=$(printf first-contact | sha256sum)
  request=${request%% *}
  make_spool
  # Only a new server waits for cloud-init; what that once did on an existing machine is not our concern.
  if [[ -e $trust/bootstrap-host-key ]] && command -v cloud-init >/dev/null; then
    # 2 says done with warnings; cloud-init(1) documents the codes
    cloud-init status --wait >/dev/null || (($? == 2)) || refuse 91 "cloud-init failed on this host; see: cloud-init status --long"
  fi
  if [[ -e $trust/bootstrap-host-key ]]; then
    key=$host_key.new
    rm -f -- "$key" "$key.pub"
    ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f "$key"
    chmod 644 "$key.pub"
  fi
  cut -d' ' -f1,2 "$key.pub" >"$spool/out"
  make_answer >"$spool/answer" # with the key in force, for a new one isn't known yet
  if [[ $key != "$host_key" ]]; then
    mv -f -- "$key.pub" "$host_key.pub"
    mv -f -- "$key" "$host_key"
    rm -f -- "$trust/bootstrap-host-key"
    systemctl try-reload-or-restart ssh.service
  fi
  cat "$spool/answer"
}

main "$@"
