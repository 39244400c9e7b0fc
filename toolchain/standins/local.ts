import { lookup } from "node:dns/promises";
import { existsSync } from "node:fs";
import { BlockList, isIP, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * Refuses a host that isn't on this machine: the stand-ins are for the lab alone. What counts as here: loopback, this machine's own
 * addresses, and the subnet of a bridge of this machine that has a private range.
 *
 * @param host name or address, from the program
 * @param what names it in the error, such as `connection.host`
 * @param official the plugin to use instead, such as `command`
 * @returns the address to connect to, so that a name can't resolve to something else later
 */
export async function requireLocal(host: string, what: string, official: string): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const address = isIP(bare) === 0 ? (await lookup(bare)).address : bare;
  if (isLocal(address)) return address;
  const shown = address === bare ? host : `${host} (${address})`;
  throw new Error(
    `${what} is ${shown}, which is not on this machine: this stand-in ${official} plugin serves the lab only. ` +
      `Install Pulumi from pulumi.com; it brings the official ${official} plugin, and the stand-ins are left aside`,
  );
}

/** True if the address is this machine's, or a guest's behind one of its bridges. */
export function isLocal(address: string, interfaces = networkInterfaces(), isBridge = isKernelBridge): boolean {
  const local = new BlockList();
  local.addSubnet("127.0.0.0", 8, "ipv4");
  local.addAddress("::1", "ipv6");
  for (const [name, addresses] of Object.entries(interfaces)) {
    for (const { address: own, cidr } of addresses ?? []) {
      const family = familyOf(own);
      local.addAddress(own, family);
      if (cidr !== null && isPrivate(own) && isBridge(name)) local.addSubnet(own, Number(cidr.split("/")[1]), family);
    }
  }
  return local.check(address, familyOf(address));
}

/** Guests of the lab, like those of any container engine, are only behind a bridge. */
function isKernelBridge(interfaceName: string): boolean {
  return existsSync(`/sys/class/net/${interfaceName}/bridge`);
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
