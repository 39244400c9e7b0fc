# shellcheck shell=bash disable=SC2154 # want is audit-words.sh's
# The kernel layer (docs/kernel.md).

files=(/etc/sysctl.d/zz-monoclaw.conf /etc/modprobe.d/monoclaw.conf /etc/security/limits.d/monoclaw.conf
  /etc/systemd/coredump.conf.d/monoclaw.conf /etc/issue /etc/issue.net)

# open_jobs: root's jobs and sshd's configuration, where others may read them.
open_jobs() {
  find /etc -maxdepth 1 \( -name 'cron.*ly' -o -name cron.d -o -name crontab \) -perm /077 -print
  find /etc/ssh/sshd_config -perm /077 -print
}

# loadable_modules: modules of the layer's list that modprobe would load.
loadable_modules() {
  local effective line
  effective=$(modprobe --showconfig)
  while read -r line; do
    [[ $(grep "^${line% *} " <<<"${effective//_/-}" | sort -u) == "$line" ]] || printf '%s\n' "${line#install }"
  done < <(grep '^install' "${files[1]}" || printf 'install nothing is-listed\n')
}

settings_row() {
  local lines wrong open
  lines=$(bash "$scripts/kernel-settings") || lines=$'differs\tall: they could not be read'
  wrong=$(sed -En 's/^differs\t([^\t]*).*/\1/p' <<<"$lines" | sort -u | paste -sd,)
  open=$(sed -En 's/^(denied|absent)\t([^\t]*).*/\2/p' <<<"$lines" | sort -u | paste -sd,)
  if [[ -n $wrong ]]; then
    row FAIL 'kernel settings' "not in force: $wrong"
  elif [[ -n $open ]]; then
    row WARN 'kernel settings' "this host's kernel doesn't let these be set: $open"
  else
    row PASS 'kernel settings' 'all are in force'
  fi
}

kernel_rows() {
  if [[ ${want[kernel]-} == leave ]]; then
    row PASS 'kernel' 'the stack leaves it as it is'
    return
  fi
  is 'kernel files' "$(cat "${files[@]}" 2>/dev/null | sha256sum | cut -d' ' -f1)" "${want[kernel]-}"
  is 'kernel file modes' "$(stat -c '%a %U:%G %F' "${files[@]}" 2>/dev/null | sort -u | paste -sd,)" '644 root:root regular file'
  none "kernel layer: root's jobs" "only root reads cron's and sshd's files" open_jobs
  settings_row
  none 'kernel modules' "none of the layer's list may load" loadable_modules
}

kernel_rows
