import { existsSync, readFileSync } from "node:fs";

const files = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** Name servers that hosts can use through NAT: the machine's own, or those behind its local stub. */
export function nameservers(paths: readonly string[] = files): string[] {
  for (const path of paths.filter((candidate) => existsSync(candidate))) {
    const servers = readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
      // Only IPv4 leaves the lab, and a loopback address means the host itself there.
      .filter((server) => /^\d+\./.test(server) && !server.startsWith("127."));
    if (servers.length > 0) {
      return servers;
    }
  }
  throw new Error(
    `no name server that a lab host could use in ${paths.join(" or ")}: a non-loopback IPv4 'nameserver' line is needed`,
  );
}
