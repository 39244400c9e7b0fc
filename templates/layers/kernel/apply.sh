# The kernel's own defences, modules that stay out, no memory images, a warning at the door, and who may read root's jobs.
# Beyond the requirements; docs/kernel.md has the reasons.
settings=/etc/sysctl.d/zz-monoclaw.conf
modules=/etc/modprobe.d/monoclaw.conf
check=/usr/local/vps-scripts/kernel-settings

put 755 root:root "$check" {{{check}}}
{{#hardened}}
folder 755 root:root /etc/systemd/coredump.conf.d
put 644 root:root "$settings" {{{settings}}}
put 644 root:root "$modules" {{{modules}}}
put 644 root:root /etc/security/limits.d/monoclaw.conf {{{limits}}}
put 644 root:root /etc/systemd/coredump.conf.d/monoclaw.conf {{{coredump}}}
put 644 root:root /etc/issue {{{issue}}}
put 644 root:root /etc/issue.net {{{issue}}}
commit

denied='' absent='' last=''
while IFS=$'\t' read -r state key now wanted path; do
  case $state in
    differs)
      undo_at_boot "printf '%s\n' $(printf '%q >%q' "$now" "$path")"
      printf '%s\n' "$wanted" >"$path" || fail "the kernel refuses $key = $wanted"
      [[ $(<"$path") == "$wanted" ]] || fail "the kernel took $key = $wanted, but it is $(<"$path")"
      [[ $key == "$last" ]] || note "$key = $wanted"
      last=$key
      ;;
    denied) denied+=" $key" ;;
    absent) absent+=" $key" ;;
  esac
done < <(bash "$check")
if [[ -n $denied$absent ]]; then
  if systemd-detect-virt --quiet --container; then
    progress "this container's kernel is not its own, so these stay as they are:$denied$absent"
  elif [[ -n $denied ]]; then
    fail "this host doesn't let these be set:$denied"
  else
    progress "this host's kernel doesn't have:$absent"
  fi
fi

# What modprobe takes, whatever else lies in modprobe.d.
effective=$(modprobe --showconfig)
while read -r line; do
  now=$(grep "^${line% *} " <<<"${effective//_/-}" | sort -u | paste -sd';')
  [[ $now == "$line" ]] || fail "modprobe has '$now', not '$line': another file in /etc/modprobe.d overrides it"
done < <(grep '^install' "$modules")

# restrict MODE PATH...: takes the rights of others away from what exists.
restrict() {
  local mode=$1 path now
  shift
  for path in "$@"; do
    [[ -e $path ]] || continue
    now=$(stat -c %a "$path")
    if [[ $now != "$mode" ]]; then
      undo_at_boot "chmod $now $path"
      chmod "$mode" "$path"
      note "mode of $path"
    fi
  done
}
restrict 700 /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/cron.yearly
restrict 600 /etc/crontab /etc/ssh/sshd_config
{{/hardened}}
{{^hardened}}
commit
for path in "$settings" "$modules" /etc/security/limits.d/monoclaw.conf /etc/systemd/coredump.conf.d/monoclaw.conf; do
  if [[ -e $path ]]; then
    guard "$path"
    rm -- "$path"
    note "removed $path, which the next boot will do without"
  fi
done
{{/hardened}}
