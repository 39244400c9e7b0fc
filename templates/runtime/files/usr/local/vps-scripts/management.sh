# shellcheck shell=bash
# What the monoclaw-* commands share. They are run through sudo by a user who must not become root, so: no pager, no
# editor, no file named by the caller, and every argument is checked.

# as_root: these commands read what only root may.
as_root() {
  cd /
  umask 077
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 SYSTEMD_PAGER='' SYSTEMD_COLORS=0
  unset HOME BASH_ENV ENV NODE_OPTIONS
  if ((EUID != 0)); then
    printf '%s: this needs root; run: sudo %s\n' "${0##*/}" "${0##*/}" >&2
    exit 77
  fi
}

# wrong TEXT: the arguments make no sense. What the caller typed is not repeated: it may hold terminal codes.
wrong() {
  printf '%s: %s\n\n' "${0##*/}" "$1" >&2
  usage >&2
  exit 64
}

# expected KEY: what the stack expects of this host; empty if it hasn't said so yet.
expected() {
  [[ ! -f /etc/monoclaw/expected ]] || sed -n "s/^$1=//p" /etc/monoclaw/expected
}

# in_unit SECONDS COMMAND...: runs it in a unit of its own: neither the caller's limits nor Ctrl-C nor a lost
# connection reach it there.
in_unit() {
  local seconds=$1
  shift
  systemd-run --quiet --collect --pipe --wait --service-type=exec --property=RuntimeMaxSec="$seconds" \
    --setenv=LC_ALL=C.UTF-8 --setenv=HOME=/root -- "$@"
}

# quick COMMAND...: gives up after two seconds.
quick() {
  timeout --kill-after=1 2 "$@" 2>/dev/null
}

# clock_state: synchronised; container (the machine sets it); unsynchronised; or unknown.
clock_state() {
  case $(quick timedatectl show --property=NTPSynchronized --value) in
    yes) printf 'synchronised\n' ;;
    no)
      if quick systemd-detect-virt --quiet --container; then
        printf 'container\n'
      else
        printf 'unsynchronised\n'
      fi
      ;;
    *) printf 'unknown\n' ;;
  esac
}
