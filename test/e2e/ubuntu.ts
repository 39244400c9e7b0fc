import assert from "node:assert/strict";
import { exec } from "../../lab/client";
import { Attacker, until } from "./attacker";
import { shutsOut } from "./bans";
import { host, stackTest } from "./hostTest";
import { sshdRows } from "../spec/sshd";
import { becameKind, newOfKind } from "./kinds";
import type { RentedImage } from "./rented";
import { dryRun, makeRepositories, removeRepositories, ubuntu, upgradable, waiting } from "./repositories";
import { instance, type TestStack } from "./stack";

/** What differs, before anything is done to it. */
export interface Release {
  /** Name of the image, and of the suite. */
  readonly image: Exclude<RentedImage, "debian-12">;
  readonly codename: string;
  /** What starts sshd there, and whose sudo it is. */
  readonly starts: "ssh.socket" | "ssh.service";
  readonly sudo: RegExp;
}

/** The rows of the host's own audit that fail. */
async function failing(stack: TestStack): Promise<string[]> {
  const { stdout } = await stack.tryRoot("monoclaw-security --json");
  const { rows } = JSON.parse(stdout) as { rows: { row: string; status: string }[] };
  return rows.filter(({ status }) => status === "FAIL").map(({ row }) => row);
}

/** HTTP status of the gateway's answer to the deploy gate. */
async function startupz(stack: TestStack): Promise<string> {
  const { stdout } = await stack.tryRoot("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/startupz");
  return stdout;
}

async function nothingToChange(stack: TestStack): Promise<void> {
  const output = await stack.pulumi("preview", "--diff", "--non-interactive", "--expect-no-changes");
  assert.equal(output.exitCode, 0, output.all);
}

/** All tests of one release of Ubuntu. */
export function ubuntuTests({ image, codename, starts, sudo }: Release): void {
  const hostTest = host(image);

  stackTest(
    `${image}: a machine as its provider leaves it becomes a hardened host`,
    () => newOfKind(image),
    async (stack) => {
      assert.match(await stack.root("cat /etc/ssh/sshd_config.d/50-cloud-init.conf"), /^PasswordAuthentication yes$/m);
      assert.match(await stack.root("sudo -l -U ubuntu"), /\(ALL\) NOPASSWD: ALL/);
      assert.match(await stack.root("sudo --version"), sudo);
      assert.equal(
        await stack.root(`systemctl is-active ${starts}; systemctl is-enabled ${starts}`),
        "active\nenabled\n",
      );
      const output = await stack.upAsTyped();
      assert.match(output, /note: ubuntu can become root without a password/);
      assert.match(output, /audit: \d+ pass, \d+ warn, 0 fail/);
      assert.equal((await stack.ssh("id -un")).stdout.trim(), "ops");
      assert.equal(await startupz(stack), "200");
      await nothingToChange(stack);
      await becameKind(image, stack);
    },
  );

  hostTest(`${image}: sshd -T says every line of the requirements, for any login`, async (stack) => {
    // Where a socket starts sshd, sshd -T lacks its folder from the boot to the first login.
    assert.equal((await stack.ssh("true")).exitCode, 0);
    for (const login of ["ops,host=h,addr=203.0.113.7", "root,host=h,addr=2001:db8::7"]) {
      const effective = (await stack.root(`sshd -T -C user=${login}`)).split("\n");
      for (const row of Object.values(sshdRows).flat()) {
        const key = `${row.split(" ")[0] ?? ""} `;
        assert.deepEqual(
          effective.filter((line) => line.startsWith(key)),
          [row],
        );
      }
    }
    assert.match(await stack.root("cat /etc/ssh/sshd_config.d/50-cloud-init.conf"), /^PasswordAuthentication yes$/m);
  });

  hostTest(`${image}: unattended-upgrades takes the security archive's package and no other`, async (stack) => {
    try {
      await makeRepositories(stack, ubuntu);
      assert.deepEqual(await upgradable(stack), waiting(ubuntu), "apt itself would take all six");
      const { said, upgraded } = await dryRun(stack);
      assert.ok(said.includes(`Allowed origins are: o=Ubuntu,a=${codename}-security, origin=Debian,`), said);
      assert.deepEqual(upgraded, ["e2e-security"], said);
    } finally {
      await removeRepositories(stack, ubuntu);
    }
  });

  hostTest(`${image}: sudo's rows work, and one too many or a loose setting fails the audit`, async (stack) => {
    assert.match((await stack.ssh("sudo -n monoclaw-security --json")).stdout, /"fail": ?0/);
    assert.notEqual((await stack.ssh("sudo -n id")).exitCode, 0);
    const broken = async (text: string) => {
      await stack.root("umask 337; cat >/etc/sudoers.d/90-e2e", `${text}\n`);
      try {
        return await failing(stack);
      } finally {
        await stack.root("rm /etc/sudoers.d/90-e2e");
      }
    };
    assert.deepEqual(await broken("ops ALL=(root) NOPASSWD: /usr/bin/id"), ["sudo rows"]);
    assert.deepEqual(await broken("Defaults:ops setenv"), ["sudo settings"]);
    assert.deepEqual(await failing(stack), []);
  });

  hostTest(`${image}: five failed logins shut a stranger out, as fail2ban's jail says`, async (stack) => {
    const stranger = await Attacker.make(`e2e-${codename}`);
    try {
      await shutsOut(stack, stranger);
    } finally {
      await stranger.destroy();
    }
  });

  hostTest(`${image}: all of it holds after a boot`, async (stack) => {
    await stack.reboot();
    await until("the gateway answers", 120, async () => (await startupz(stack)) === "200");
    // Before anybody has logged in: a socket that starts sshd has not started it yet.
    assert.deepEqual(await failing(stack), []);
    assert.equal((await stack.ssh("id -un")).stdout.trim(), "ops");
  });

  hostTest(`${image}: destroy leaves the host as it was, as the stack's output said`, async (stack) => {
    const { staysAfterDestroy } = await stack.outputs();
    assert.deepEqual(staysAfterDestroy, {
      gateway: `${await stack.address()} stays hardened and running, and obeys nobody: docs/existing.md#taking-it-down`,
    });
    await stack.destroy();
    const active = await exec(instance, stack.labName(), ["systemctl", "is-active", "openclaw", "ufw", "fail2ban"]);
    assert.equal(active.stdout, "active\nactive\nactive\n");
  });
}
