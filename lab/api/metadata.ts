import { createServer, Server as HttpServer } from "node:http";
import { stringify } from "yaml";
import { ipv6Address } from "../host/spec";
import { Server } from "../state";
import { Lab } from "./context";

const root = "/hetzner/v1";

/** The metadata service that hosts see at 169.254.169.254. A host gets its own data only: its address decides. */
export function buildMetadata(lab: Lab): HttpServer {
  return createServer((request, response) => {
    const address = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    const server = lab.store.state.servers.find((candidate) => lab.addressOf(candidate, "ipv4")?.ip === address);
    const path = new URL(request.url ?? "/", "http://metadata.invalid").pathname.replace(/\/$/, "");
    const body = server === undefined || request.method !== "GET" ? undefined : answer(lab, server, path);
    response.writeHead(body === undefined ? 404 : 200, { "content-type": "text/plain; charset=utf-8" });
    response.end(body ?? "not found\n");
  });
}

function answer(lab: Lab, server: Server, path: string): string | undefined {
  const metadata = metadataOf(lab, server);
  switch (path) {
    case `${root}/metadata`:
      return stringify(metadata);
    case `${root}/userdata`:
      return server.userData === "" ? undefined : server.userData;
    default: {
      const value = Object.entries(metadata).find(([key]) => path === `${root}/metadata/${key}`)?.[1];
      return value === undefined || typeof value === "string" ? value : JSON.stringify(value);
    }
  }
}

function metadataOf(lab: Lab, server: Server): Record<string, unknown> {
  const ipv4 = lab.addressOf(server, "ipv4")?.ip;
  const ipv6 = lab.addressOf(server, "ipv6")?.ip;
  const subnets = [
    ...(ipv4 === undefined ? [] : [{ ipv4: true, type: "dhcp" }]),
    ...(ipv6 === undefined
      ? []
      : [{ ipv6: true, type: "static", address: `${ipv6Address(ipv6)}/64`, gateway: "fe80::1" }]),
  ];
  return {
    "instance-id": server.id,
    hostname: server.name,
    region: "eu-central",
    "availability-zone": server.location,
    "public-ipv4": ipv4 ?? "",
    "local-ipv4": "",
    "public-keys": server.sshKeys,
    "network-config": {
      version: 1,
      config: [{ type: "physical", name: "eth0", mac_address: server.mac, subnets }],
    },
  };
}
