import type { Fail2banSettings } from "../../lib/config";
import { render } from "../../lib/render";
import { quote } from "../../lib/shell";
import type { LayerDefinition } from "./definition";
import { hostFile } from "./files";

/** What the fail2ban layer needs to know. */
export interface Fail2banArgs extends Fail2banSettings {
  /** TCP ports that sshd listens on. */
  readonly sshPorts: readonly number[];
}

/** What is never banned: loopback, and what the stack lists. Networks as fail2ban writes them. */
function ignoredAddresses(ignoreip: readonly string[]): string[] {
  return ["127.0.0.0/8", "::1", ...ignoreip];
}

/** Script of the fail2ban layer (requirements: fail2ban). */
export function fail2banScript({ sshPorts, maxretry, findtime, bantime, ignoreip }: Fail2banArgs): string {
  const ports = sshPorts.join(",");
  const numbers = { maxretry, findtime, bantime };
  return render("layers/fail2ban/apply.sh", {
    ...numbers,
    quotedPorts: quote(ports),
    filter: hostFile("etc/fail2ban/filter.d/sshd.local"),
    jail: hostFile("etc/fail2ban/jail.d/sshd.local", {
      ...numbers,
      ports,
      ignoreip: ignoredAddresses(ignoreip).join(" "),
    }),
  });
}

export const fail2banLayer: LayerDefinition = {
  name: "fail2ban",
  after: ["packages", "ssh", "firewall"],
  script: ({ content, ways }) => content.fail2ban.apply((jail) => fail2banScript({ sshPorts: ways.ports, ...jail })),
  expected: ({ content }) =>
    content.fail2ban.apply(({ maxretry, findtime, bantime, ignoreip }) => ({
      maxretry,
      findtime,
      bantime,
      ignoreip: ignoredAddresses(ignoreip).join(","),
    })),
};
