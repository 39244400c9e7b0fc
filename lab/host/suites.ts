/** The suites that hosts can be made from, by the name of the image in the API. The first is built before it is asked for. */
export const suites: Readonly<Record<string, string>> = {
  "debian-13": "trixie",
  "debian-12": "bookworm",
  "ubuntu-26.04": "resolute",
  "ubuntu-24.04": "noble",
  "ubuntu-22.04": "jammy",
};

/** Who makes the distribution. */
export type Vendor = "debian" | "ubuntu";

/** The vendor of an image, e.g. of `ubuntu-24.04`. */
export function vendorOfImage(image: string): Vendor {
  return image.startsWith("ubuntu-") ? "ubuntu" : "debian";
}

/** The vendor of a suite, e.g. of `noble`. */
export function vendorOf(suite: string): Vendor {
  return vendorOfImage(Object.entries(suites).find(([, name]) => name === suite)?.[0] ?? "");
}

/**
 * What the vendors' own cloud images hold and a server can use inside a container: no kernel, boot loader or file system
 * tools. Debian's carry neither nftables nor iptables, and no ufw or fail2ban: the product's layers bring what they need.
 */
const common = [
  "systemd systemd-sysv systemd-timesyncd libnss-resolve libnss-myhostname dbus udev kmod",
  "cloud-init netplan.io openssh-server sudo unattended-upgrades apt-utils apparmor cron",
  "iproute2 iputils-ping netbase ethtool socat curl wget ca-certificates openssl",
  "python3 locales tzdata procps psmisc less nano lsof file bash-completion whiptail xz-utils",
];

/** What Ubuntu's have beside. */
const ubuntu = ["ufw needrestart rsyslog"];

/** What has come to be a package of its own, or is another program than before. */
const own: Readonly<Record<string, string>> = {
  trixie: "systemd-resolved",
  bookworm: "systemd-resolved",
  resolute: "systemd-resolved sudo-rs",
  noble: "systemd-resolved",
};

/** The packages of a suite's base. */
export function packagesOf(suite: string): string[] {
  const lines = [...common, ...(vendorOf(suite) === "ubuntu" ? ubuntu : []), own[suite] ?? ""];
  return lines.flatMap((line) => line.split(" ")).filter((name) => name !== "");
}
