/**
 * What `sshd -T` says for a login of the primary user, `ops`, on any host: by section of docs/requirements.md, and typed by hand from there.
 * Nothing of the program's is imported, so that a wrong rule can't approve itself.
 */
export const sshdRows = {
  Authentication: [
    "authenticationmethods publickey",
    "passwordauthentication no",
    "pubkeyauthentication yes",
    "kbdinteractiveauthentication no", // its older name is ChallengeResponseAuthentication
    "permitrootlogin no",
    "allowusers ops",
  ],
  "Connection Limits": ["maxauthtries 3", "logingracetime 20", "clientaliveinterval 300", "clientalivecountmax 2"],
  "Forwarding Restrictions": ["allowtcpforwarding yes", "allowagentforwarding no", "x11forwarding no"],
  "Custom Port": ["port 22022"],
} as const;

/** What it says beyond the requirements, typed by hand as well: what would open another way in, and what keeps the way in free. */
export const furtherSshdRows = [
  "authorizedkeyscommand none",
  "authorizedkeysfile .ssh/authorized_keys",
  "allowstreamlocalforwarding no",
  "gatewayports no",
  "hostbasedauthentication no",
  "hostkey /etc/ssh/ssh_host_ed25519_key",
  "hostkeyalgorithms ssh-ed25519",
  "loglevel VERBOSE",
  "maxstartups 60:30:100",
  "permitemptypasswords no",
  "permittunnel no",
  "permituserenvironment no",
  "persourcemaxstartups 15",
  "persourcenetblocksize 32:64",
  "trustedusercakeys none",
] as const;
