import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium, type BrowserContext } from "playwright-core";
import { exec, ls, type ExecResult } from "../../lab/client";
import { loginServer } from "../../lab/tailnet/config";
import { tailscaleArchive } from "../../lab/tailnet/downloads";
import { cloud, until } from "./attacker";
import { instance } from "./stack";
import { lab, userKey } from "./tailnetStack";

/**
 * Somebody's computer with nodes of the tailnet that need no rights on it: each a tailscaled without an interface, whose SOCKS5 proxy is the way
 * in. It is a host of the lab, whose cloud firewall lets it reach the lab's own network and nothing else.
 */
export class Desk {
  private constructor(
    readonly name: string,
    private readonly pid: number,
  ) {}

  static async make(name: string): Promise<Desk> {
    const destination_ips = [`${lab.prefix4}.0/24`];
    const out = (["tcp", "udp"] as const).map((protocol) => ({
      direction: "out",
      protocol,
      port: "any",
      destination_ips,
    }));
    const { firewall } = await cloud<{ firewall: { id: number } }>("POST", "firewalls", { name, rules: out });
    await cloud("POST", "servers", {
      name,
      server_type: "cx23",
      image: "debian-13",
      location: "nbg1",
      firewalls: [{ firewall: firewall.id }],
    });
    const { url, sha256 } = tailscaleArchive(lab);
    const install = `curl -fsS --max-time 20 -o /root/ts.tgz '${url}' && echo '${sha256} /root/ts.tgz' | sha256sum -c --quiet &&
      tar -xzf /root/ts.tgz --strip-components=1 -C /usr/local/bin`;
    const installs = async () => (await exec(instance, name, ["bash", "-c", install])).exitCode === 0;
    await until(`${name} has Tailscale`, 60, installs);
    const host = (await ls(instance)).find((candidate) => candidate.name === name);
    return new Desk(name, host?.pid ?? 0);
  }

  /** Runs a shell command line on it, as root. */
  async run(script: string, input = ""): Promise<ExecResult> {
    return exec(instance, this.name, ["bash", "-c", script], { input });
  }

  /**
   * Makes a node of a user of the tailnet.
   *
   * @param user - before the @ of the login name
   * @param port - of the node's SOCKS5 proxy on the desk's loopback
   */
  async join(user: string, port: number): Promise<void> {
    const socket = `/run/${user}.sock`;
    const joined = await this.run(
      `set -e; umask 077; cat >/run/${user}.key
      systemd-run -q --unit=node-${user} -E TS_NO_LOGS_NO_SUPPORT=true /usr/local/bin/tailscaled --tun=userspace-networking \
        --state=mem: --statedir=/run/node-${user} --socket=${socket} --socks5-server=127.0.0.1:${String(port)}
      until [[ -S ${socket} ]]; do ((SECONDS < 20)); sleep 0.05; done
      tailscale --socket=${socket} up --login-server=${loginServer(lab)} --hostname=${user} --auth-key=file:/run/${user}.key --timeout=30s`,
      await userKey(user),
    );
    assert.equal(joined.exitCode, 0, joined.stderr);
  }

  /** A browser whose whole traffic goes through a node. `folder` gets its profile. */
  async browse(port: number, folder: string): Promise<BrowserContext> {
    // Root has no sandbox; the browser is in the desk's network, so its loopback is where the proxy listens.
    const program = `${folder}.sh`;
    writeFileSync(program, `#!/bin/sh\nexec nsenter --target=${String(this.pid)} --net -- /usr/bin/chromium "$@"\n`, {
      mode: 0o700,
    });
    return chromium.launchPersistentContext(folder, {
      executablePath: program,
      proxy: { server: `socks5://127.0.0.1:${String(port)}` },
      chromiumSandbox: false,
      viewport: { width: 1280, height: 800 },
      args: ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update", "--disable-sync"],
    });
  }
}

/** Folder where tests keep what a person would look at. */
export const artifacts = join(lab.checkout, ".state", "artifacts");
