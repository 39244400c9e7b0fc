import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, Server } from "node:http";
import { join } from "node:path";
import { Instance } from "../instances";
import { uplinkAddress } from "./config";

/** Tailscale as hosts of a lab install it. */
export interface TailscaleArchive {
  /** Where hosts get it. */
  readonly url: string;
  readonly sha256: string;
}

const folderOf = ({ checkout }: Instance): string => join(checkout, ".state", "tailnet", "tailscale");

function archives(instance: Instance): string[] {
  const folder = folderOf(instance);
  return existsSync(folder) ? readdirSync(folder).filter((name) => /\.tgz(?:\.sha256)?$/.test(name)) : [];
}

/** The archive, laid out as the official one. @throws if `toolchain/run lab tailnet` has not built it */
export function tailscaleArchive(instance: Instance): TailscaleArchive {
  const name = archives(instance).find((candidate) => candidate.endsWith(".tgz"));
  if (name === undefined) {
    throw new Error("the lab's tailnet is not built yet: run 'toolchain/run lab tailnet' once");
  }
  const url = `http://${uplinkAddress(instance)}:${String(instance.tailnetPort)}/${name}`;
  return { url, sha256: readFileSync(join(folderOf(instance), `${name}.sha256`), "utf8").trim() };
}

/** Serves the archive and its SHA-256 to hosts, in the place of Tailscale's own site. */
export function buildDownloads(instance: Instance): Server {
  return createServer((request, response) => {
    const name = archives(instance).find((candidate) => request.url === `/${candidate}`);
    if (name === undefined || request.method !== "GET") {
      response.writeHead(404).end("not found\n");
      return;
    }
    const path = join(folderOf(instance), name);
    response.writeHead(200, { "content-length": statSync(path).size });
    createReadStream(path).pipe(response);
  });
}
