#!/usr/bin/env bash
# Prepares a host for its stack: the primary user with the deploy key, the signing public key, the receiver, and sshd on
# its port. Everything else arrives as signed layers. Runs once as root: on a new server from cloud-init, on an existing
# machine over SSH.
set -euo pipefail
umask 022
user={{{primaryUser}}}

# file MODE PATH: root's file from stdin, whole or not at all.
file() {
  install -D -m "$1" -o root -g root /dev/stdin "$2.new"
  mv -fT -- "$2.new" "$2"
}

trust() {
  install -d -m 700 /etc/monoclaw
  file 600 /etc/monoclaw/host-id <<<{{{hostId}}}
  file 600 /etc/monoclaw/allowed_signers <<<{{{allowedSigners}}}
}

primary_user() {
  id -u "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
  passwd -q -l "$user"
  # As the user: in the home of one who was there before, links may lie.
  # shellcheck disable=SC2016 # the inner shell expands these
  setpriv --reuid="$user" --regid="$user" --clear-groups --reset-env bash -c 'set -eu; umask 077; mkdir -p ~/.ssh
    chmod 700 ~/.ssh; cd ~/.ssh; cat >authorized_keys.new; mv -fT authorized_keys.new authorized_keys' {{{authorizedKeys}}}
  file 440 /etc/sudoers.d/{{{sudoersName}}} {{{sudoers}}}
  visudo -q -c
}

receiver() {
  local dir=/usr/local/vps-scripts
{{#scripts}}
  file 755 "$dir"/{{{name}}} {{{text}}}
{{/scripts}}
  ln -sfT "$dir/monoclaw-config" /usr/local/bin/monoclaw-config
  file 644 /etc/systemd/system/monoclaw-recover.service {{{recoverUnit}}}
  systemctl daemon-reload
  systemctl enable --quiet monoclaw-recover.service
}

{{{machine}}}
main
