import type { TestStack } from "./stack";

const folder = "/var/tmp/e2e-repos";

/** A part of the archive: what its Release file says of it (origin, label, suite, codename). `@` is the distribution's codename. */
type Part = readonly [origin: string, label: string, suite: string, codename: string];

/** The parts of an archive by the names of the test's packages; the one called `security` is to be taken, and no other. */
export type Archive = Readonly<Record<string, Part>>;

export const debian: Archive = {
  backports: ["Debian", "Debian Backports", "stable-backports", "@-backports"],
  release: ["Debian", "Debian", "stable", "@"],
  security: ["Debian", "Debian-Security", "stable-security", "@-security"],
  updates: ["Debian", "Debian", "stable-updates", "@-updates"],
};

export const ubuntu: Archive = {
  backports: ["Ubuntu", "Ubuntu", "@-backports", "@"],
  extended: ["UbuntuESM", "UbuntuESM", "@-infra-security", "@"],
  proposed: ["Ubuntu", "Ubuntu", "@-proposed", "@"],
  release: ["Ubuntu", "Ubuntu", "@", "@"],
  security: ["Ubuntu", "Ubuntu", "@-security", "@"],
  updates: ["Ubuntu", "Ubuntu", "@-updates", "@"],
};

/**
 * Makes a repository of each part on the host: its package is installed at version 1, and version 2 waits there. The
 * package is called `e2e-` and the part's name.
 */
export async function makeRepositories(stack: TestStack, archive: Archive): Promise<void> {
  const calls = Object.entries(archive).map(([name, part]) => `repository ${name} ${part.map(quoted).join(" ")}`);
  await stack.root(`set -euo pipefail
codename=$(. /etc/os-release; echo "$VERSION_CODENAME")
deb() { # NAME VERSION FOLDER
  install -d "$3/$1/DEBIAN"
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: e2e <e2e@localhost>\\nDescription: e2e\\n' "$1" "$2" >"$3/$1/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$3/$1" "$3/$1.deb" >/dev/null
  rm -r "\${3:?}/$1"
}
repository() { # NAME ORIGIN LABEL SUITE CODENAME
  local at=${folder}/$1
  install -d "$at"
  deb "e2e-$1" 2 "$at"
  { dpkg-deb -f "$at/e2e-$1.deb"; printf 'Filename: ./e2e-%s.deb\\nSize: %s\\nSHA256: %s\\n' "$1" \\
    "$(stat -c %s "$at/e2e-$1.deb")" "$(sha256sum <"$at/e2e-$1.deb" | cut -d' ' -f1)"; } >"$at/Packages"
  printf 'Origin: %s\\nLabel: %s\\nSuite: %s\\nCodename: %s\\nDate: %s\\nSHA256:\\n %s %s Packages\\n' "$2" "$3" "$4" "$5" \\
    "$(date -Ru)" "$(sha256sum <"$at/Packages" | cut -d' ' -f1)" "$(stat -c %s "$at/Packages")" >"$at/Release"
  deb "e2e-$1" 1 /var/tmp/e2e-first
  echo "deb [trusted=yes] file:$at ./"
}
install -d ${folder} /var/tmp/e2e-first
{
${calls.join("\n")}
} >/etc/apt/sources.list.d/e2e.list
dpkg -i /var/tmp/e2e-first/*.deb >/dev/null
# Only these: the real archive's news are not this test's.
apt-get -q update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/e2e.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 >/dev/null`);
}

function quoted(text: string): string {
  return `"${text.replace("@", "$codename")}"`;
}

/** Takes the repositories away again, and their packages. */
export async function removeRepositories(stack: TestStack, archive: Archive): Promise<void> {
  await stack.root(`dpkg -P ${waiting(archive).join(" ")} >/dev/null
rm -rf ${folder} /var/tmp/e2e-first /etc/apt/sources.list.d/e2e.list /var/lib/apt/lists/_var_tmp_e2e-repos*`);
}

/** The test's packages, sorted. */
export function waiting(archive: Archive): string[] {
  return Object.keys(archive).map((name) => `e2e-${name}`);
}

/** Of the test's packages, those that apt itself would upgrade. */
export async function upgradable(stack: TestStack): Promise<string[]> {
  return (await stack.root("apt list --upgradable 2>/dev/null | grep -o '^e2e-[a-z]*'")).trim().split("\n").sort();
}

/** What unattended-upgrades says it would do, and those of the test's packages that it would upgrade. */
export async function dryRun(stack: TestStack): Promise<{ said: string; upgraded: string[] }> {
  const said = await stack.root("unattended-upgrade --dry-run --debug 2>&1");
  const line = /^Packages that will be upgraded: (.*)$/m.exec(said)?.[1] ?? "";
  return { said, upgraded: line.split(" ").filter((name) => name.startsWith("e2e-")) };
}
