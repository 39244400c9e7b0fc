import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digest, message, sign } from "../../lib/envelope";
import { sshKeyPair } from "../../lib/keys";
import type { Ran, SshOptions, TestStack } from "./stack";

/** The secrets of a stack, and what its holder could do with them. */
export class Keys {
  private readonly deployKey: string;

  private constructor(
    readonly seeds: {
      readonly signing: string;
      readonly deploy: string;
      readonly bootstrap: string;
      readonly token: string;
    },
    readonly hostId: string,
    /** The current envelopes by layer, as they lie in the state. */
    readonly envelopes: ReadonlyMap<string, string>,
    /** The host's generation, which envelopes must have at least. */
    readonly generation: number,
    private readonly stack: TestStack,
  ) {
    const folder = mkdtempSync(join(tmpdir(), "monoclaw-e2e-"));
    process.on("exit", () => {
      rmSync(folder, { recursive: true, force: true });
    });
    this.deployKey = join(folder, "deploy");
    writeFileSync(this.deployKey, sshKeyPair(seeds.deploy, "deploy").privateKey, { mode: 0o600 });
  }

  /** Takes them from the stack's state, as only its owner can. */
  static async of(stack: TestStack): Promise<Keys> {
    const resources = await stack.resources();
    const named = (end: string) => {
      const found = resources.find(({ type, urn }) => type.includes("RandomPassword") && urn.endsWith(end));
      return String(found?.outputs["result"]);
    };
    const seeds = {
      signing: named("-trust-signing"),
      deploy: named("-trust-deploy"),
      bootstrap: named("-trust-bootstrap"),
      token: named("-gateway-token"),
    };
    const envelopes = resources.map(({ inputs }) => inputs["stdin"]).filter((text) => typeof text === "string");
    const byLayer = new Map(envelopes.map((text) => [/^layer (.*)$/m.exec(text)?.[1] ?? "", text]));
    const hostId = /^host (.*)$/m.exec(envelopes[0] ?? "")?.[1] ?? "";
    const generation = Number(await stack.root("cat /var/lib/monoclaw/generation"));
    return new Keys(seeds, hostId, byLayer, generation, stack);
  }

  /** A properly signed envelope. */
  envelope(
    layer: string,
    script: string,
    generation = this.generation,
  ): { readonly text: string; readonly digest: string } {
    const text = message({ hostId: this.hostId, layer, generation }, script);
    return { text: text + sign(this.seeds.signing, text), digest: digest(text) };
  }

  /** Logs in with the deploy key. */
  async deploy(command: string, input: string | Buffer = "", options: SshOptions = {}): Promise<Ran> {
    return this.stack.ssh(command, { ...options, key: this.deployKey, input });
  }

  /** Arguments of ssh(1) for the deploy key. */
  async deployArguments(): Promise<string[]> {
    return this.stack.sshArguments({ key: this.deployKey });
  }
}
