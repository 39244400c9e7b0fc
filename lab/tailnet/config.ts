import { join } from "node:path";
import { stringify } from "yaml";
import { Instance } from "../instances";

/** Where hosts find the control server: the value of `tailscale up --login-server`. */
export function loginServer({ prefix4, controlPort }: Instance): string {
  return `http://${prefix4}.1:${String(controlPort)}`;
}

/** Suffix of the MagicDNS names: a host `web` is `web.dev.tailnet.test`. */
export function tailnetDomain({ family }: Instance): string {
  return `${family}.tailnet.test`;
}

/** Folder of the tailnet's files. */
export function tailnetDir({ stateDir }: Instance): string {
  return join(stateDir, "tailnet");
}

/** The address that control server, relay and archive listen on, which only lab hosts and this machine reach. */
export function uplinkAddress({ prefix4 }: Instance): string {
  return `${prefix4}.1`;
}

/** headscale's configuration. It asks nobody outside for anything: no relays, no updates, no certificates, no names. */
export function controlConfig(instance: Instance, magicDns: boolean): string {
  const dir = tailnetDir(instance);
  return stringify({
    server_url: loginServer(instance),
    listen_addr: `${uplinkAddress(instance)}:${String(instance.controlPort)}`,
    metrics_listen_addr: "",
    // The command line talks to the socket; nothing else needs gRPC.
    grpc_listen_addr: "127.0.0.1:0",
    unix_socket: join(dir, "headscale.sock"),
    unix_socket_permission: "0700",
    noise: { private_key_path: join(dir, "noise.key") },
    prefixes: { v4: "100.64.0.0/10", v6: "fd7a:115c:a1e0::/48", allocation: "sequential" },
    derp: { server: { enabled: false }, urls: [], paths: [join(dir, "relays.yaml")], auto_update_enabled: false },
    disable_check_updates: true,
    database: { type: "sqlite", sqlite: { path: join(dir, "headscale.sqlite") } },
    log: { level: "info", format: "text" },
    policy: { mode: "database" },
    dns: {
      magic_dns: magicDns,
      base_domain: tailnetDomain(instance),
      // Hosts keep their own name servers for everything else.
      override_local_dns: false,
      nameservers: { global: [] },
    },
    logtail: { enabled: false },
  });
}

/** The tailnet's one relay, which hosts know by the hash of its certificate. */
export function relayMap(instance: Instance, certificateHash: string): string {
  const address = uplinkAddress(instance);
  const node = {
    name: "lab",
    regionid: 900,
    hostname: address,
    certname: `sha256-raw:${certificateHash}`,
    ipv4: address,
    derpport: instance.relayPort,
    stunport: instance.relayPort,
  };
  const region = { regionid: 900, regioncode: "lab", regionname: "Lab", nodes: [node] };
  // A Map, because the key must be a number.
  return stringify({ regions: new Map([[900, region]]) });
}
