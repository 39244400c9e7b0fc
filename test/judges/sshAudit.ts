import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cached, fill, fingerprint } from "../../toolchain/cache";
import { ensurePackages } from "../../toolchain/debian";
import { capture, run } from "../../toolchain/process";
import type { Attacker } from "../e2e/attacker";

const requirements = join(__dirname, "requirements.txt");

/** The wheel of ssh-audit, by its pinned hash; downloaded once per machine. */
async function wheel(): Promise<Buffer> {
  const folder = cached("ssh-audit", fingerprint([requirements]));
  await fill(folder, async (target) => {
    // pip finds its index and certificates by its own configuration.
    if ((await capture("sh", ["-c", "command -v pip3"])).exitCode !== 0) await ensurePackages(["python3-pip"]);
    const options = [
      "--quiet",
      "--disable-pip-version-check",
      "--no-deps",
      "--only-binary",
      ":all:",
      "--require-hashes",
    ];
    await run("pip3", ["download", ...options, "--dest", target, "--requirement", requirements]);
  });
  const name = readdirSync(folder).find((file) => file.endsWith(".whl"));
  if (name === undefined) throw new Error(`${folder} holds no wheel: remove it, and run the tests again`);
  return readFileSync(join(folder, name));
}

/** What ssh-audit has against an SSH server, a line each. */
export interface SshFindings {
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
  /** How many algorithms it looked at: an audit of nothing finds nothing. */
  readonly algorithms: number;
}

interface Entry {
  readonly algorithm: string;
  readonly notes: { readonly fail?: readonly string[]; readonly warn?: readonly string[] };
}

type Report = Record<"kex" | "key" | "enc" | "mac", readonly Entry[]> & { readonly cves: readonly { name: string }[] };

/** Runs ssh-audit on another host: its rate test gets an address into sshd's penalties, and ours must stay out of them. */
export async function sshAudit(from: Attacker, address: string, port: number): Promise<SshFindings> {
  await from.run("base64 -d >/root/ssh_audit.whl", (await wheel()).toString("base64"));
  const command = `PYTHONPATH=/root/ssh_audit.whl python3 -m ssh_audit.ssh_audit -j -p ${String(port)} ${address}`;
  const { exitCode, stdout, stderr } = await from.run(command);
  // 2 and 3 are its words for warnings and failures.
  if (![0, 2, 3].includes(exitCode)) throw new Error(`ssh-audit: exit code ${String(exitCode)}\n${stdout}${stderr}`);
  const report = JSON.parse(stdout) as Report;
  const entries = [report.kex, report.key, report.enc, report.mac].flat();
  const notes = (kind: "fail" | "warn") =>
    entries.flatMap(({ algorithm, notes: { [kind]: said = [] } }) => said.map((note) => `${algorithm}: ${note}`));
  return {
    failures: [...notes("fail"), ...report.cves.map(({ name }) => name)],
    warnings: notes("warn"),
    algorithms: entries.length,
  };
}
