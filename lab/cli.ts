import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureLab, stopLab } from "./client";
import { consoleLog, hostGroup } from "./host/driver";
import { killGroup } from "./host/groups";
import { execHere, findHost, HostInfo, ls } from "./hosts";
import { InstanceName, instanceNames, instanceOf, isInstanceName } from "./instances";
import { messageOf } from "./run";
import { tailnetAccess } from "./tailnet/access";
import { loginServer, tailnetDomain } from "./tailnet/config";
import { tailscaleArchive } from "./tailnet/downloads";

const help = `Usage: npm run lab -- [--instance NAME] COMMAND

Emulated Hetzner Cloud on this machine: its API on loopback, its servers as real Debian hosts.

Commands:
  up                    start the lab ('npm run up' does it by itself)
  ls [--json]           list the hosts
  exec HOST [-- CMD]    run a command as root inside a host, without SSH; a shell by default
  logs HOST [--follow]  print the host's console and journal
  kill HOST             cut the host's power; 'poweron' in the API boots it again
  tailnet               print how to use the lab's tailnet ('toolchain/run lab tailnet' builds what it needs)
  down                  remove the hosts, their disks and the lab's network

Options:
  --instance NAME       dev (default), test or selftest
  --help                print this`;

/** A mistake in the command line, not in the lab. */
class UsageError extends Error {}

interface Options {
  readonly instance: InstanceName;
  readonly json: boolean;
  readonly follow: boolean;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}

function showHosts(hosts: readonly HostInfo[]): string {
  const rows = hosts.map(({ id, name, status, ipv4, ipv6 }) => [name, String(id), status, ipv4 ?? "-", ipv6 ?? "-"]);
  return table([["HOST", "ID", "STATUS", "IPV4", "IPV6"], ...rows]);
}

function inherit(argv: readonly string[]): Promise<number> {
  const [program = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => {
      resolve(code ?? 1);
    });
  });
}

/** The console of all boots, then the journal: from the disk, so that it also works for a host that is off. */
async function logs(options: Options, name: string): Promise<number> {
  const host = await findHost(options.instance, name);
  const consolePath = consoleLog(instanceOf(options.instance), host.id);
  const journal = join(host.dir, "upper", "var", "log", "journal");
  console.log(`== console of ${host.name} (${consolePath})`);
  await inherit(["cat", consolePath]);
  console.log(`\n== journal of ${host.name}`);
  if (!existsSync(journal)) {
    console.log("(none yet)");
    return 0;
  }
  return inherit([
    "journalctl",
    "--no-pager",
    `--directory=${journal}`,
    ...(options.follow ? ["--follow", "--lines=all"] : []),
  ]);
}

async function command(name: string, args: readonly string[], options: Options): Promise<number> {
  const [host, ...rest] = args;
  const needHost = (): string => {
    if (host === undefined) {
      throw new UsageError(`${name} needs the name of a host; 'ls' lists them`);
    }
    return host;
  };
  switch (name) {
    case "up":
      await ensureLab({ instance: options.instance });
      return 0;
    case "ls": {
      const hosts = await ls(options.instance);
      console.log(options.json ? JSON.stringify(hosts, undefined, 2) : showHosts(hosts));
      return 0;
    }
    case "exec":
      return execHere(options.instance, needHost(), rest.length === 0 ? ["/bin/bash", "--login"] : rest);
    case "logs":
      return logs(options, needHost());
    case "kill": {
      const { id, name: label } = await findHost(options.instance, needHost());
      await killGroup(hostGroup(instanceOf(options.instance), id));
      console.log(`${label}: power cut`);
      return 0;
    }
    case "tailnet":
      console.log(showTailnet(options.instance));
      return 0;
    case "down":
      await stopLab({ instance: options.instance });
      console.log(`lab ${options.instance}: down`);
      return 0;
    default:
      throw new UsageError(`there is no command '${name}'`);
  }
}

function showTailnet(name: InstanceName): string {
  const instance = instanceOf(name);
  const { url, sha256 } = tailscaleArchive(instance);
  return table([
    ["tailscale:baseUrl", instance.tailnetEndpoint],
    ["tailscale:apiKey", tailnetAccess.apiKey],
    ["tailscale:oauthClientId", tailnetAccess.oauthClientId],
    ["tailscale:oauthClientSecret", tailnetAccess.oauthClientSecret],
    ["login server", loginServer(instance)],
    ["MagicDNS names", `HOST.${tailnetDomain(instance)}`],
    ["archive", url],
    ["its SHA-256", sha256],
  ]);
}

/** Splits our own options from the words of a command that `exec` passes on untouched. */
function splitArgs(argv: readonly string[]): { own: string[]; passed: string[] } {
  const dashes = argv.indexOf("--");
  return dashes < 0 ? { own: [...argv], passed: [] } : { own: argv.slice(0, dashes), passed: argv.slice(dashes + 1) };
}

/** Runs one command line of `npm run lab -- …` and returns the exit code: 2 for a mistake in it. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const { own, passed } = splitArgs(argv);
    const { values, positionals } = parseArgs({
      args: own,
      allowPositionals: true,
      options: {
        instance: { type: "string", default: "dev" },
        json: { type: "boolean", default: false },
        follow: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const [name, ...args] = positionals;
    if (values.help || name === undefined) {
      console.log(help);
      return values.help ? 0 : 2;
    }
    const { instance } = values;
    if (!isInstanceName(instance)) {
      throw new UsageError(`there is no lab '${instance}': ${instanceNames.join(" or ")}`);
    }
    return await command(name, [...args, ...passed], { instance, json: values.json, follow: values.follow });
  } catch (error) {
    const isUsage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS");
    console.error(`lab: ${messageOf(error)}${isUsage === true ? ". See: npm run lab -- --help" : ""}`);
    return isUsage === true ? 2 : 1;
  }
}

if (require.main === module) {
  void main(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
