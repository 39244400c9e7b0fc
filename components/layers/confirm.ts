/** Seconds in which a new connection must confirm a change of sshd or the firewall; else the host puts it back. */
export const confirmSeconds = 120;
