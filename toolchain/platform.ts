import { StepError } from "./report";

const ELSEWHERE = "Without it, make a stack on a real server at Hetzner (pulumi stack init prod): see docs/hetzner.md.";

/** The lab boots real hosts: only Linux can, and only root may. @throws StepError that says what to do instead */
export function requireLabHost(): void {
  if (process.platform !== "linux") {
    throw new StepError(`The lab needs Linux (systemd-nspawn); this is ${process.platform}. ${ELSEWHERE}`);
  }
  if (process.getuid?.() !== 0) {
    throw new StepError(
      `The lab needs root, for network bridges and containers: run this again with sudo. ${ELSEWHERE}`,
    );
  }
}
