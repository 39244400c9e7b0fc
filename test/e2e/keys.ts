import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAnswer } from "../../lib/answer";
import { type Act, digest, message, sign, signedPart } from "../../lib/envelope";
import { sshKeyPair } from "../../lib/keys";
import type { Ran, SshOptions, TestStack } from "./stack";

/** The secrets of a stack, and what its holder could do with them. */
export class Keys {
  private readonly deployKey: string;
  private lastSerial = 0;

  private constructor(
    readonly seeds: {
      readonly signing: string;
      readonly deploy: string;
      readonly bootstrap: string;
      readonly token: string;
    },
    /** What the header of an envelope for this host says of it. */
    readonly own: { readonly hostId: string; readonly machine: string },
    /** The host's public SSH key, with which it signs answers. */
    readonly hostKey: string,
    /** The current envelopes by layer, as they lie in the state. */
    readonly envelopes: ReadonlyMap<string, string>,
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
    const applied = resources.filter(({ urn }) => urn.endsWith("-apply")).map(({ inputs }) => String(inputs["stdin"]));
    const line = (name: string, text = "") => new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1] ?? "";
    const byLayer = new Map(applied.map((text) => [line("layer", text), text]));
    const own = { hostId: line("host", applied[0]), machine: line("machine", applied[0]) };
    const hostKey = String((await stack.outputs())["knownHosts"]).replace(/^\S+ /, "");
    return new Keys(seeds, own, hostKey, byLayer, stack);
  }

  /** A serial that is higher than any before. */
  serial(): number {
    return (this.lastSerial = Math.max(Date.now(), this.lastSerial + 1));
  }

  /** A properly signed envelope, the newest of its layer unless it has another serial. */
  envelope(
    layer: string,
    script: string,
    serial = this.serial(),
    act: Act = { act: "apply" },
  ): { readonly text: string; readonly digest: string; readonly serial: number } {
    const text = message({ ...this.own, ...act, layer, serial, content: "plain" }, script);
    return { text: text + sign(this.seeds.signing, text), digest: digest(text), serial };
  }

  /** Has the host do what the envelope asks for. Its answer must be signed; stdout is the text of it. */
  async apply(envelope: string, options: SshOptions = {}): Promise<Ran> {
    const result = await this.deploy("apply", envelope, options);
    if (result.exitCode !== 0) {
      return result;
    }
    const text = readAnswer(result.stdout, this.hostKey, digest(signedPart(envelope)));
    if (text === undefined) {
      throw new Error(`the answer is not the host's: ${result.all}`);
    }
    return { ...result, stdout: text.trimEnd() };
  }

  /** Confirms the change of a layer, or waits for that, as the stack does. */
  async ask(act: "confirm" | "await", layer: string, of: string, options: SshOptions = {}): Promise<Ran> {
    return this.apply(this.envelope(layer, "", undefined, { act, digest: of }).text, options);
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
