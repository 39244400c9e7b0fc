import { sshdValues } from "./requirements";

/** `MaxAuthTries = 3` as `sshd -T` prints it; the primary user of the tests is `ops`. */
function printed(value: string): string {
  const [directive = "", is = ""] = value.split(" = ");
  return `${directive.toLowerCase()} ${is.replace(/ s$/, "").replace("the primary user", "ops")}`;
}

/** What `sshd -T` says for a login of the primary user on any host, by section of docs/requirements.md. */
export const sshdRows = {
  Authentication: sshdValues.Authentication.map(printed),
  "Connection Limits": sshdValues["Connection Limits"].map(printed),
  "Forwarding Restrictions": sshdValues["Forwarding Restrictions"].map(printed),
  "Custom Port": ["port 22022"],
};

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
