import { execFileSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import { BlockList, isIP, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * Refuses a host that isn't on this machine: the stand-ins are for the lab alone. What counts as here: loopback, this machine's own
 * addresses, and private addresses behind the lab's own link.
 *
 * @param host name or address, from the program
 * @param what names it in the error, such as `connection.host`
 * @param official the plugin to use instead, such as `command`
 * @returns the address to connect to, so that a name can't resolve to something else later
 */
export async function requireLocal(host: string, what: string, official: string): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const address = isIP(bare) !== 0 ? bare : await resolve(bare);
  if (address !== undefined && isLocal(address)) return address;
  const shown = address === undefined || address === bare ? host : `${host} (${address})`;
  throw new Error(
    `${what} is ${shown}, which is not on this machine: this stand-in ${official} plugin serves the lab only. ` +
      `Install Pulumi from pulumi.com; it brings the official ${official} plugin, and the stand-ins are left aside`,
  );
}

/** The address of a name; none if it has none here. */
async function resolve(name: string): Promise<string | undefined> {
  try {
    return (await lookup(name)).address;
  } catch {
    return undefined;
  }
}

/** Prefix of the interfaces that lead to the lab's networks; `lab/` makes them. */
const labInterface = "mclab-";

/** True if the address is this machine's, or one of a lab host behind this machine's own link to the lab. */
export function isLocal(address: string, interfaces = networkInterfaces(), interfaceTo = outgoingInterface): boolean {
  const local = new BlockList();
  local.addSubnet("127.0.0.0", 8, "ipv4");
  local.addAddress("::1", "ipv6");
  for (const addresses of Object.values(interfaces)) {
    for (const { address: own } of addresses ?? []) local.addAddress(own, familyOf(own));
  }
  return (
    local.check(address, familyOf(address)) ||
    (isPrivate(address) && interfaceTo(address)?.startsWith(labInterface) === true)
  );
}

/** The interface by which the kernel would send to the address; none if it is unreachable. */
function outgoingInterface(address: string): string | undefined {
  try {
    const text = execFileSync("ip", ["-json", "route", "get", address], { encoding: "utf8", stdio: "pipe" });
    const routes = JSON.parse(text) as { dev: string }[];
    return routes[0]?.dev;
  } catch {
    return undefined;
  }
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv6(address) ? "ipv6" : "ipv4";
}

function isPrivate(address: string): boolean {
  const ranges = new BlockList();
  ranges.addSubnet("10.0.0.0", 8, "ipv4");
  ranges.addSubnet("172.16.0.0", 12, "ipv4");
  ranges.addSubnet("192.168.0.0", 16, "ipv4");
  ranges.addSubnet("fc00::", 7, "ipv6");
  return ranges.check(address, familyOf(address));
}
