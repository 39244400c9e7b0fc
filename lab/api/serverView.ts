import { Server } from "../state";
import { findByReference, locations, serverTypes, showServerType } from "./catalog";
import { Lab } from "./context";
import { notFound } from "./errors";
import { imageView } from "./images";
import { showDnsPtr } from "./primaryIps";

/** A server in the API's form. */
export function showServer(lab: Lab, server: Server): object {
  const type = serverTypes.find(({ id }) => id === server.serverType);
  const ipv4 = lab.addressOf(server, "ipv4");
  const ipv6 = lab.addressOf(server, "ipv6");
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    created: server.created,
    public_net: {
      ipv4:
        ipv4 === undefined
          ? null
          : { id: ipv4.id, ip: ipv4.ip, blocked: false, dns_ptr: showDnsPtr(ipv4)[0]?.dns_ptr ?? "" },
      ipv6: ipv6 === undefined ? null : { id: ipv6.id, ip: ipv6.ip, blocked: false, dns_ptr: showDnsPtr(ipv6) },
      floating_ips: [],
      firewalls: lab.firewallsOf(server).map(({ id }) => ({ id, status: "applied" })),
    },
    private_net: [],
    server_type: type === undefined ? null : showServerType(type),
    location: findByReference(locations, server.location),
    image: imageView(lab, server.image) ?? null,
    iso: null,
    rescue_enabled: false,
    locked: server.locked,
    backup_window: server.backupWindow,
    outgoing_traffic: 0,
    ingoing_traffic: 0,
    included_traffic: 21990232555520,
    protection: server.protection,
    labels: server.labels,
    volumes: [],
    load_balancers: [],
    primary_disk_size: server.primaryDiskSize,
    placement_group: null,
  };
}

/** Finds a server by its number. */
export function serverById(lab: Lab, id: string): Server {
  const server = lab.store.state.servers.find((candidate) => String(candidate.id) === id);
  if (server === undefined) {
    throw notFound("server", id);
  }
  return server;
}
