/**
 * Debian packages that the lab needs on this machine: containers (systemd-container), base root file system (mmdebstrap and
 * the archive's keys), packet filter, network, mount and namespace tools.
 */
export const labPackages: readonly string[] = [
  "ca-certificates",
  "debian-archive-keyring",
  "iproute2",
  "mmdebstrap",
  "mount",
  "nftables",
  "procps",
  "systemd",
  "systemd-container",
  "util-linux",
];

/** Programs of these packages, by which the lab checks that they are there. */
export const labPrograms: readonly string[] = [
  "flock",
  "ip",
  "journalctl",
  "mmdebstrap",
  "mount",
  "nft",
  "nsenter",
  "setsid",
  "systemd-nspawn",
  "unshare",
];
