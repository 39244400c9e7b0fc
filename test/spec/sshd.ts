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
