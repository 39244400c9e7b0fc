# The Debian packages that other layers configure, in one run of apt.
# fail2ban starts with Debian's own jail at once, and bans nobody before its layer has come.
packages {{{names}}}
