import { capture, run } from "./process";
import { StepError, step } from "./report";

/** What the lab needs on this machine. */
export const labPackages = ["systemd-container", "mmdebstrap", "nftables", "iproute2"] as const;

/** What the tests need beside: the real tools that check rendered files, and an SSH server to talk to. */
export const testPackages = [
  ...["shellcheck", "shfmt", "age", "openssh-server", "openssh-client", "sudo", "ufw", "fail2ban"],
  ...["systemd", "nftables", "cloud-init", "kmod", "libfaketime"],
] as const;

/** The browser that a person would open the dashboard with; 20 s to install. */
export const browserPackages = ["chromium"] as const;

/**
 * Installs the Debian packages that are missing. Their services are not started: these tools are only called, and what runs on this machine
 * is not this project's business.
 *
 * @throws StepError if some are missing and can't be installed
 */
export async function ensurePackages(names: readonly string[]): Promise<void> {
  const missing = await missingPackages(names);
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid?.() !== 0) throw new StepError(`Debian packages are missing: sudo ${command}`);
  await step(`Debian packages: install ${missing.join(", ")}`, async (progress) => {
    // RUNLEVEL=1 makes invoke-rc.d, by which packages start their services, leave them alone.
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
    const lock = ["-o", "DPkg::Lock::Timeout=300"];
    await run("apt-get", [...lock, "update"], { env, onLine: progress });
    await run("apt-get", [...lock, ...command.split(" ").slice(1)], { env, onLine: progress });
  });
}

async function missingPackages(names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const query = ["-W", "-f", "${Package} ${db:Status-Status}\\n", ...names];
  const { stdout } = await capture("dpkg-query", query).catch((error: unknown) => {
    throw new StepError(
      `The packages of Debian or Ubuntu are needed (${names.join(", ")}): ${(error as Error).message}`,
    );
  });
  const installed = new Set(
    stdout.split("\n").flatMap((line) => (line.endsWith(" installed") ? [line.split(" ")[0]] : [])),
  );
  return names.filter((name) => !installed.has(name));
}
