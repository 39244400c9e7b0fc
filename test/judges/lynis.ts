import type { TestStack } from "../e2e/stack";

/** What Lynis says of a host. */
export interface LynisReport {
  /** Its hardening index, 0 to 100. */
  readonly index: number;
  /** Points of the index: those that the host has … */
  readonly points: number;
  /** … and all that there are for the tests that were done. */
  readonly outOf: number;
  /** The tests that gave fewer points than they could, with what each gave: `SSH-7408 2/3`. */
  readonly partial: readonly string[];
  readonly tests: number;
  readonly warnings: readonly string[];
  readonly suggestions: readonly string[];
}

/**
 * Runs the distribution's Lynis on the host from a folder that is removed again. It skips what says nothing of the host's
 * settings: PKGS-7392 (which updates came out today), PKGS-7388 (the names of apt's mirrors, which are the lab's), CRYP-7902 (the
 * distribution's CA certificates, half of the time), and the kernel settings that this host can't change because they are the machine's that it is a container of.
 */
export async function lynis(stack: TestStack): Promise<LynisReport> {
  const report = await stack.root(`set -euo pipefail
    folder=$(mktemp -d /root/lynis.XXXXXXXX)
    trap 'rm -rf -- "$folder"' EXIT
    cd "$folder"
    get() { apt-get -q -q -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=300 download lynis >&2; }
    get || { apt-get -q -q -o DPkg::Lock::Timeout=300 update >&2; get; }
    dpkg-deb -x lynis_*.deb .
    cd usr/share/lynis # Lynis takes its files from the folder that it starts in, where it isn't installed
    cp "$folder/etc/lynis/default.prf" .
    {
      printf 'skip-test=%s\\n' PKGS-7388 PKGS-7392 CRYP-7902
      while IFS=';' read -r _ key _; do
        file=/proc/sys/\${key//.//}
        [[ ! -e $file || -w $file ]] || printf 'skip-test=KRNL-6000:%s\\n' "$key"
      done < <(grep '^config-data=sysctl;' default.prf)
    } >custom.prf
    sh "$folder/usr/sbin/lynis" audit system --quick --no-colors --plugindir "$folder/etc/lynis/plugins" \\
      --logfile "$folder/log" --report-file "$folder/report" >"$folder/out" 2>&1 || { cat "$folder/out" >&2; exit 1; }
    grep -E '^(hardening_index|lynis_tests_done|warning\\[\\]|suggestion\\[\\])=' "$folder/report"
    sed -n 's/.*Currently having \\([0-9]*\\) points (out of \\([0-9]*\\)).*/points=\\1 of \\2/p' "$folder/log" | tail -n 1
    sed -n -E -e 's/.*Performing test ID ([A-Z0-9-]+).*/test \\1/p' \\
      -e 's/.*assigned partial number of hardening points \\(([0-9]+) of ([0-9]+)\\).*/\\1 \\2/p' "$folder/log" |
      awk '$1 == "test" { name = $2; next } { had[name] += $1; of[name] += $2 }
        END { for (name in of) print "partial=" name " " had[name] "/" of[name] }' | sort`);
  const values = (key: string) =>
    report.split("\n").flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));
  const [points, outOf] = (values("points")[0] ?? "").split(" of ").map(Number);
  return {
    index: Number(values("hardening_index")[0]),
    points: points ?? NaN,
    outOf: outOf ?? NaN,
    partial: values("partial"),
    tests: Number(values("lynis_tests_done")[0]),
    warnings: values("warning[]"),
    // Not of the host: how old this release of Lynis is.
    suggestions: values("suggestion[]").filter((line) => !line.startsWith("LYNIS|")),
  };
}
