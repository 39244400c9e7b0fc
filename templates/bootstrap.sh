#!/usr/bin/env bash
# Prepares a new host for its stack: the primary user with the deploy key, the signing public key, the receiver, and
# sshd hardened on its port. Everything else arrives as signed layers. Runs once as root, from cloud-init.
set -euo pipefail
umask 022

main() {
  trust
  primary_user
  receiver
  close_firewall
  harden_sshd
}

# file MODE PATH: root's file from stdin, whole or not at all.
file() {
  install -D -m "$1" -o root -g root /dev/stdin "$2.new"
  mv -fT -- "$2.new" "$2"
}

trust() {
  install -d -m 700 /etc/monoclaw
  file 600 /etc/monoclaw/host-id <<<{{{hostId}}}
  file 600 /etc/monoclaw/allowed_signers <<<{{{allowedSigners}}}
  file 600 /etc/monoclaw/bootstrap-host-key </dev/null
}

primary_user() {
  local user={{{primaryUser}}} home
  id -u "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
  passwd -q -l "$user"
  home=$(getent passwd "$user" | cut -d: -f6)
  install -d -m 700 -o "$user" -g "$user" "$home/.ssh"
  install -m 600 -o "$user" -g "$user" /dev/stdin "$home/.ssh/authorized_keys" {{{authorizedKeys}}}
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

# Until the firewall layer has ufw in place, nothing but sshd is reachable (the cloud's firewall says the same outside).
close_firewall() {
  if command -v nft >/dev/null; then
    nft -f - {{{closedFirewall}}}
  fi
}

harden_sshd() {
  local unit
  # The provider put the deploy key into root's file so as not to make up a root password; root never logs in.
  rm -f /root/.ssh/authorized_keys
  rm -f /etc/ssh/ssh_host_rsa_key* /etc/ssh/ssh_host_ecdsa_key*
  file 644 /etc/ssh/sshd_config.d/99-custom.conf {{{sshdConfig}}}
  file 644 /etc/ssh/sshd_config.d/00-monoclaw.conf {{{sshdFirst}}}
  /usr/sbin/sshd -t
  # Ubuntu starts sshd by a socket, which has its own idea of the port.
  if systemctl is-active --quiet ssh.socket; then
    systemctl daemon-reload
    unit=ssh.socket
  else
    unit=ssh.service
  fi
  systemctl restart "$unit"
}

main
