import { createHash, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { killGroup, processesOf, spawnGroup } from "../host/groups";
import { Instance } from "../instances";
import { run, waitUntil } from "../run";
import { controlConfig, loginServer, relayMap, tailnetDir, uplinkAddress } from "./config";
import { TailnetError } from "./errors";

/** Programs that `toolchain/run lab tailnet` builds. */
export type TailnetProgram = "headscale/headscale" | "headscale/policycheck" | "tailscale/derper";

/** Path of a program of the tailnet. @throws TailnetError if nobody has built it */
export function tailnetProgram({ checkout }: Instance, program: TailnetProgram): string {
  const path = join(checkout, ".state", "tailnet", program);
  if (!existsSync(path)) {
    throw new TailnetError(503, `the lab's tailnet is not built yet: run 'toolchain/run lab tailnet' once (${path})`);
  }
  return path;
}

/** A lab's control server (headscale) and relay (derper), each in a process group of its own. They outlive the lab's daemon. */
export class Control {
  private starting: Promise<void> | undefined;

  constructor(
    private readonly instance: Instance,
    private readonly magicDns: () => boolean,
    private readonly log: (line: string) => void,
  ) {}

  /** Makes sure that both run with the present configuration. */
  ensure(): Promise<void> {
    this.starting ??= this.start().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  /** Ends both. */
  async stop(): Promise<void> {
    await this.starting?.catch(() => undefined);
    await Promise.all(["headscale", "derper"].map((name) => killGroup(`${this.instance.group}-${name}`)));
  }

  /** Calls headscale's own API. @throws TailnetError with headscale's message if it refuses */
  async call<T>(method: string, path: string, body?: object): Promise<T> {
    await this.ensure();
    const response = await fetch(`${loginServer(this.instance)}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${readFileSync(this.file("api-key"), "utf8")}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as T & { message?: string };
    if (!response.ok) {
      throw new TailnetError(response.status, answer.message ?? `headscale: ${String(response.status)}`);
    }
    return answer;
  }

  private async start(): Promise<void> {
    mkdirSync(tailnetDir(this.instance), { recursive: true, mode: 0o700 });
    await this.startRelay();
    await this.startControl();
    if (!existsSync(this.file("api-key"))) {
      const key = await run([...this.headscale(), "apikeys", "create", "--expiration", "3650d"]);
      writeFileSync(this.file("api-key"), key.trim(), { mode: 0o600 });
    }
  }

  private async startRelay(): Promise<void> {
    const group = `${this.instance.group}-derper`;
    const address = uplinkAddress(this.instance);
    const port = String(this.instance.relayPort);
    const argv = [
      ...[tailnetProgram(this.instance, "tailscale/derper"), "-a", `${address}:${port}`, "-stun-port", port],
      ...["-http-port", "-1", "-c", this.file("derper.json"), "-home", "blank"],
      ...["-certmode", "manual", "-certdir", tailnetDir(this.instance), "-hostname", address],
    ];
    if (processesOf(group).length === 0) {
      await this.startGroup(group, argv, () => this.hasCertificate());
    }
    const { raw } = new X509Certificate(readFileSync(this.certificate()));
    const hash = createHash("sha256").update(raw).digest("hex");
    writeFileSync(this.file("relays.yaml"), relayMap(this.instance, hash), { mode: 0o600 });
  }

  private async startControl(): Promise<void> {
    const group = `${this.instance.group}-headscale`;
    const config = controlConfig(this.instance, this.magicDns());
    const isCurrent =
      existsSync(this.file("headscale.yaml")) && readFileSync(this.file("headscale.yaml"), "utf8") === config;
    if (isCurrent && processesOf(group).length > 0) {
      return;
    }
    const argv = [...this.headscale(), "serve"];
    await killGroup(group);
    writeFileSync(this.file("headscale.yaml"), config, { mode: 0o600 });
    await this.startGroup(group, argv, async () => {
      const health = await fetch(`${loginServer(this.instance)}/health`).catch(() => undefined);
      return health?.ok;
    });
    this.log(`the tailnet's control server listens on ${loginServer(this.instance)}`);
  }

  private async startGroup(
    group: string,
    argv: readonly string[],
    isReady: () => boolean | undefined | Promise<boolean | undefined>,
  ): Promise<void> {
    const log = this.file(`${group.split("-").at(-1) ?? group}.log`);
    const pid = spawnGroup(group, argv, log);
    await waitUntil(
      async () => {
        if (!existsSync(`/proc/${String(pid)}`)) {
          throw new Error(`${argv[0] ?? ""} ended; its log: ${log}`);
        }
        return (await isReady()) === true;
      },
      { deadline: 20_000, what: `${argv[0] ?? ""}; its log: ${log}` },
    );
  }

  private headscale(): string[] {
    return [tailnetProgram(this.instance, "headscale/headscale"), "--config", this.file("headscale.yaml")];
  }

  /** Whether the relay has written all of its certificate. */
  private hasCertificate(): boolean {
    const file = this.certificate();
    return existsSync(file) && readFileSync(file, "utf8").includes("END CERTIFICATE");
  }

  private certificate(): string {
    return this.file(`${uplinkAddress(this.instance)}.crt`);
  }

  private file(name: string): string {
    return join(tailnetDir(this.instance), name);
  }
}
