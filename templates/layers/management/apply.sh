# The monoclaw-* commands for the person on the host, and what the audit must find here.
# requirements: Restricted sudo; Audit; Files
{{#scripts}}
put 755 root:root /usr/local/vps-scripts/{{{name}}} {{{text}}}
{{/scripts}}
put 600 root:root /etc/monoclaw/expected {{{expected}}}
commit

{{#commands}}
if [[ $(readlink /usr/local/bin/{{{.}}}) != /usr/local/vps-scripts/{{{.}}} ]]; then
  guard /usr/local/bin/{{{.}}}
  ln -sfT /usr/local/vps-scripts/{{{.}}} /usr/local/bin/{{{.}}}
  note /usr/local/bin/{{{.}}}
fi
{{/commands}}
folder 755 root:root /usr/local/vps-scripts
