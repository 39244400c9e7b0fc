import { stringify } from "yaml";
import { HostSpec, ipv6Address } from "./spec";

/** Files of cloud-init's NoCloud seed. */
export type Seed = Readonly<Record<"meta-data" | "user-data" | "vendor-data" | "network-config", string>>;

/** What the seed needs to know of the network. */
export interface SeedNetwork {
  readonly gateway4: string;
  readonly nameservers: readonly string[];
}

/** The first boot's input, equal to what cloud-init gets from Hetzner's metadata service. */
export function seedFor(spec: HostSpec, network: SeedNetwork): Seed {
  return {
    "meta-data": stringify({
      "instance-id": String(spec.id),
      "local-hostname": spec.name,
      "public-keys": [...spec.sshKeys],
    }),
    "user-data": spec.userData,
    "vendor-data": vendorData(spec),
    "network-config": networkConfig(spec, network),
  };
}

function vendorData(spec: HostSpec): string {
  const password =
    spec.rootPassword === undefined
      ? {}
      : {
          ssh_pwauth: true,
          chpasswd: { expire: true, users: [{ name: "root", password: spec.rootPassword, type: "text" }] },
        };
  // Else Debian 12's cloud-init would set a locale that only a full image has, and Ubuntu's would leave this machine's mirror.
  const image = { preserve_hostname: false, locale: "C.UTF-8", apt: { preserve_sources_list: true } };
  return `#cloud-config\n${stringify({ ...image, ...password })}`;
}

function networkConfig(spec: HostSpec, network: SeedNetwork): string {
  const addresses: string[] = [];
  const routes: { to: string; via: string }[] = [];
  if (spec.ipv4 !== undefined) {
    addresses.push(`${spec.ipv4}/24`);
    routes.push({ to: "0.0.0.0/0", via: network.gateway4 });
  }
  if (spec.ipv6 !== undefined) {
    addresses.push(`${ipv6Address(spec.ipv6)}/64`);
    routes.push({ to: "::/0", via: "fe80::1" });
  }
  const eth0 = {
    match: { macaddress: spec.mac },
    addresses,
    routes,
    nameservers: { addresses: [...network.nameservers] },
  };
  return stringify({ version: 2, ethernets: { eth0 } });
}
