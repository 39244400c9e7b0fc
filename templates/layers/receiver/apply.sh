# The tools that receive and apply layers: what the bootstrap brought, kept at the stack's version.
{{#scripts}}
put 755 root:root /usr/local/vps-scripts/{{{name}}} {{{text}}}
{{/scripts}}
put 644 root:root /etc/systemd/system/monoclaw-recover.service {{{recoverUnit}}}

{{#scripts}}
bash -n "$(staged /usr/local/vps-scripts/{{{name}}})"
{{/scripts}}
if changed /etc/systemd/system/monoclaw-recover.service; then
  undo 'systemctl daemon-reload'
fi
commit
if changed /etc/systemd/system/monoclaw-recover.service; then
  systemctl daemon-reload
fi
if [[ $(readlink /usr/local/bin/monoclaw-config) != /usr/local/vps-scripts/monoclaw-config ]]; then
  guard /usr/local/bin/monoclaw-config
  ln -sfT /usr/local/vps-scripts/monoclaw-config /usr/local/bin/monoclaw-config
  note /usr/local/bin/monoclaw-config
fi
enable monoclaw-recover.service
folder 755 root:root /usr/local/vps-scripts
folder 700 root:root /etc/monoclaw
