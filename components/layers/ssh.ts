import { render } from "../../lib/render";
import { quote, quoteAll } from "../../lib/shell";
import { confirmSeconds } from "./confirm";
import { hostFile } from "./files";

/** What the ssh layer needs to know. */
export interface SshArgs {
  readonly primaryUser: string;
  /** TCP ports that sshd listens on: one, or two while it moves. */
  readonly sshPorts: readonly number[];
}

/** The drop-ins of sshd, which the bootstrap and the ssh layer both install (requirements: SSH). */
export function sshdFiles({ primaryUser, sshPorts }: SshArgs) {
  const file = "etc/ssh/sshd_config.d/99-custom.conf";
  return {
    sshdConfig: hostFile(file, { primaryUser, sshPorts, cumulative: true }),
    sshdFirst: hostFile(file, { primaryUser, sshPorts, cumulative: false }),
  };
}

/** The drop-in of sshd's socket unit, which opens the ports where the distribution starts sshd by it. */
export function socketFile({ sshPorts }: SshArgs) {
  return { socketDropIn: hostFile("etc/systemd/system/ssh.socket.d/monoclaw.conf", { sshPorts }) };
}

/** Script of the ssh layer. */
export function sshScript(args: SshArgs): string {
  const ports = args.sshPorts.map(String);
  return render("layers/ssh.sh", {
    primaryUser: quote(args.primaryUser),
    ports: quoteAll(ports),
    sortedPorts: quote([...ports].sort().join(",")),
    confirmSeconds,
    ...sshdFiles(args),
    ...socketFile(args),
  });
}
