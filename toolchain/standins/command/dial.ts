import { createHash, timingSafeEqual } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, utils, type ConnectConfig, type ParsedKey, type ServerHostKeyAlgorithm } from "ssh2";
import { requireLocal } from "../local";
import type { Log } from "../rpc/engine";
import type { Connection } from "./connection";

// Waits between dials: Pulumi's retry package (sdk/go/common/util/retry), as the official plugin uses it.
const FIRST_WAIT = 100;
const WAIT_FACTOR = 1.5;
const LONGEST_WAIT = 5_000;
// Go's net.Dialer, which the official plugin dials with: a host that was rebooted under a command is noticed.
const KEEP_ALIVE = 15_000;

/**
 * Connects and logs in, dialling again after a failure until the limit is reached.
 *
 * @throws if the host is not on this machine, a key is malformed, or the last dial failed; no key is ever in the message
 */
export async function dial(connection: Connection, log: Log, signal: AbortSignal): Promise<Client> {
  const address = await requireLocal(connection.host, "connection.host", "command");
  const config = await configOf(connection);
  const limit = connection.dialErrorLimit;
  for (let failures = 1, wait = FIRST_WAIT; ; failures++, wait = Math.min(wait * WAIT_FACTOR, LONGEST_WAIT)) {
    try {
      return await dialOnce(connection, address, config);
    } catch (error) {
      const { message } = error as Error;
      if (limit > -1 && failures > limit) {
        throw new Error(`after ${String(failures - 1)} failed attempts: ${message}`, { cause: error });
      }
      log.status(`Dial ${String(failures)}/${limit === -1 ? "inf" : String(limit)} failed: retrying`);
      await sleep(wait, undefined, { signal });
    }
  }
}

async function configOf(connection: Connection): Promise<ConnectConfig> {
  const { user, password, privateKey, privateKeyPassword, hostKey } = connection;
  const config: ConnectConfig = { username: user, readyTimeout: connection.perDialTimeout * 1000 };
  if (hostKey === undefined) {
    config.hostVerifier = () => true;
  } else {
    const pinned = parse(hostKey, undefined, "failed to parse host key");
    const algorithm = pinned.type as ServerHostKeyAlgorithm;
    config.algorithms = { serverHostKey: [algorithm] };
  }
  if (privateKey !== undefined) {
    parse(privateKey, privateKeyPassword, "failed to parse private key");
    config.privateKey = privateKey;
    if (privateKeyPassword !== undefined) config.passphrase = privateKeyPassword;
  }
  if (password !== undefined) {
    config.password = password;
    config.tryKeyboard = true;
  }
  const agent = connection.agentSocketPath ?? (process.env["SSH_AUTH_SOCK"] || undefined);
  if (agent !== undefined) {
    await reachAgent(agent);
    config.agent = agent;
  }
  return config;
}

function parse(text: string, passphrase: string | undefined, failure: string): ParsedKey {
  const parsed: unknown = utils.parseKey(text, passphrase);
  if (parsed instanceof Error) throw new Error(`${failure}: ssh: ${parsed.message}`);
  return (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey;
}

/** A stale agent socket fails the command even beside a private key, as it does with the official plugin. */
async function reachAgent(path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      reject(new Error(`dial unix ${path}: connect: ${reasonOf(error)}: unset SSH_AUTH_SOCK or start the agent`));
    });
  });
}

async function dialOnce(connection: Connection, address: string, config: ConnectConfig): Promise<Client> {
  const socket = await openSocket(address, connection.port, connection.perDialTimeout);
  const client = new Client();
  let mismatch: string | undefined;
  const pinned = connection.hostKey;
  const verified: ConnectConfig = {
    ...config,
    sock: socket,
    ...(pinned !== undefined && {
      hostVerifier: (offered: Buffer) => {
        mismatch = compareKeys(pinned, offered);
        return mismatch === undefined;
      },
    }),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error & { level?: string }): void => {
      client.destroy();
      reject(new Error(handshakeFailure(error, mismatch, config), { cause: error }));
    };
    client
      .once("ready", () => {
        client.off("error", fail);
        resolve(client);
      })
      .on("error", fail)
      .on("close", () => {
        fail(new Error("EOF"));
      })
      .on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) => {
        finish(prompts.map(() => connection.password ?? ""));
      })
      .connect(verified);
  });
}

function openSocket(address: string, port: number, timeoutSeconds: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const where = `dial tcp ${address.includes(":") ? `[${address}]` : address}:${String(port)}`;
    const socket = connect({ host: address, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE });
    const timer =
      timeoutSeconds > 0
        ? setTimeout(() => socket.destroy(new Error("i/o timeout")), timeoutSeconds * 1000)
        : undefined;
    const fail = (error: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      reject(
        new Error(error.code === undefined ? `${where}: ${error.message}` : `${where}: connect: ${reasonOf(error)}`),
      );
    };
    socket.once("error", fail).once("connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

/** Undefined if the offered key is the pinned one to the last byte; else what differs. */
function compareKeys(pinned: string, offered: Buffer): string | undefined {
  const expected = parse(pinned, undefined, "failed to parse host key").getPublicSSH();
  if (expected.length === offered.length && timingSafeEqual(expected, offered)) return undefined;
  return `ssh: host key mismatch: expected ${fingerprint(expected)}, the host has ${fingerprint(offered)}`;
}

function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

function handshakeFailure(
  error: Error & { level?: string },
  mismatch: string | undefined,
  config: ConnectConfig,
): string {
  const prefix = "ssh: handshake failed:";
  if (mismatch !== undefined) return `${prefix} ${mismatch}`;
  if (error.level === "client-authentication") {
    const tried = ["none"];
    if (config.privateKey !== undefined || config.agent !== undefined) tried.push("publickey");
    if (config.password !== undefined) tried.push("password", "keyboard-interactive");
    return `${prefix} ssh: unable to authenticate as ${config.username ?? "root"}, attempted methods [${tried.join(" ")}], no supported methods remain`;
  }
  return `${prefix} ${error.message}`;
}

function reasonOf(error: NodeJS.ErrnoException): string {
  const reasons: Record<string, string> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset by peer",
    EHOSTUNREACH: "no route to host",
    ENETUNREACH: "network is unreachable",
    ENOENT: "no such file or directory",
    ETIMEDOUT: "connection timed out",
  };
  return reasons[error.code ?? ""] ?? error.message;
}
