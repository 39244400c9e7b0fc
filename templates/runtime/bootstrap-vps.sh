main() {
  trust
  file 600 /etc/monoclaw/bootstrap-host-key </dev/null
  primary_user
  receiver
  close_firewall
  harden_sshd
}

# Until the firewall layer has ufw in place, nothing but sshd is reachable (the cloud's firewall says the same outside).
close_firewall() {
  if command -v nft >/dev/null; then
    nft -f - {{{closedFirewall}}}
  fi
}

harden_sshd() {
  # The provider put the deploy key into root's file so as not to make up a root password; root never logs in.
  rm -f /root/.ssh/authorized_keys
  rm -f /etc/ssh/ssh_host_rsa_key* /etc/ssh/ssh_host_ecdsa_key*
  file 644 /etc/ssh/sshd_config.d/99-custom.conf {{{sshdConfig}}}
  file 644 /etc/ssh/sshd_config.d/00-monoclaw.conf {{{sshdFirst}}}
  /usr/sbin/sshd -t
  install -d -m 755 /etc/systemd/system/ssh.socket.d
  file 644 /etc/systemd/system/ssh.socket.d/monoclaw.conf {{{socketDropIn}}}
  systemctl daemon-reload
  # Ubuntu starts sshd by a socket, which has its own idea of the port.
  if systemctl is-active --quiet ssh.socket; then
    systemctl stop --quiet ssh.service
    systemctl restart ssh.socket
  else
    systemctl restart ssh.service
  fi
}
