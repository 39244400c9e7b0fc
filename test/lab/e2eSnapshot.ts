import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { exec, ls } from "../../lab/client";
import { layerDir } from "../../lab/host/layers";
import { instanceOf } from "../../lab/instances";
import { run } from "../../lab/run";
import { Step } from "./e2e.test";
import { act, api, createServer, instance, KeyPair, TestServer, untilSsh } from "./labHost";

/** What a host looks like to one who left a folder renamed, one replaced and a file deleted, all of the shared base. */
const changes = `set -e
echo before >/root/file
rm /etc/issue
rm -r /usr/share/bash-completion; mkdir /usr/share/bash-completion
python3 -c 'import os; os.rename("/usr/share/zoneinfo", "/usr/share/moved")'`;
const look = `cat /root/file; ls -A /root/after /etc/issue /usr/share/bash-completion /usr/share/zoneinfo 2>&1
ls -d /usr/share/moved/Europe/Berlin; cat /etc/machine-id`;

/** Snapshots of real disks. */
export async function snapshotTests(step: Step, keys: KeyPair): Promise<void> {
  const lab = instanceOf(instance);
  let two: TestServer | undefined;
  const images: number[] = [];
  const inside = async (host: string, script: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await exec(instance, host, ["sh", "-c", script]);
    assert.ok(exitCode === 0 || script === look, stderr);
    return stdout.trim();
  };
  const snapshot = async (id: number): Promise<number> => {
    const path = `/servers/${String(id)}/actions/create_image`;
    const { image } = await api<{ image: { id: number } }>("POST", path, { description: "e2e" });
    images.push(image.id);
    return image.id;
  };
  const layers = (): number =>
    (existsSync(join(lab.stateDir, "snapshots")) ? readdirSync(join(lab.stateDir, "snapshots")) : []).length;

  await step("a snapshot of a running server holds what was there, not what came later; the host goes on", async () => {
    const one = (await ls(instance)).find(({ name }) => name === "one") ?? assert.fail("no host one");
    await inside("one", changes);
    const before = await inside("one", look);
    assert.match(before, /^before$/m);
    await inside("one", "systemd-run -q --unit=tick sh -c 'while :; do date +%s%N >/run/tick; sleep 0.05; done'");
    const image = await snapshot(one.id);
    await inside("one", "echo after >/root/after");
    const ticks = () => inside("one", "sleep 0.2; cat /run/tick");
    assert.notEqual(await ticks(), await ticks(), "a program of the host stands still");
    assert.equal(await inside("one", "ps -eo stat= | grep -c ^T || true"), "0");
    await inside("one", "systemctl stop tick");
    const layer = layerDir(lab, image);
    assert.equal(existsSync(join(layer, "var/lib/cloud/seed/nocloud")), false, "the seed belongs to the server");
    const key = await api<{ ssh_keys: { id: number }[] }>("GET", "/ssh_keys");
    two = await createServer("two", { image, ssh_keys: key.ssh_keys.map(({ id }) => id) });
    assert.equal(await inside("two", look), before);
    await untilSsh(keys, two.ipv4);
    assert.equal(
      await inside("two", "cloud-init status --wait >/dev/null; cloud-init query v1.instance_id; hostname"),
      `${String(two.id)}\ntwo`,
    );
  });

  await step(
    "a snapshot of a server that is off costs no copy; the server goes on, and a rebuild brings it back",
    async () => {
      assert.ok(two !== undefined);
      const before = await inside("two", look);
      await inside("two", "echo kept >/root/kept; echo x >/etc/issue");
      await act(two, "poweroff");
      const image = await snapshot(two.id);
      assert.equal(
        (await run(["find", join(lab.stateDir, "hosts", String(two.id), "upper")])).trim().split("\n").length,
        1,
      );
      await act(two, "poweron");
      assert.equal(
        await inside("two", "cat /root/kept /root/file; echo later >/root/file; rm /root/kept"),
        "kept\nbefore",
      );
      await act(two, "rebuild", { image });
      assert.equal(await inside("two", "cat /root/kept /etc/issue; echo y >/etc/issue; rm /etc/issue"), "kept\nx");
      assert.equal(await inside("two", look), before);
    },
  );

  await step("a deleted snapshot stays on disk as long as a server needs it, and goes then", async () => {
    assert.ok(two !== undefined);
    for (const image of images) {
      await api("DELETE", `/images/${String(image)}`);
    }
    assert.equal(layers(), 2);
    await act(two, "reset");
    assert.equal(await inside("two", "cat /root/kept"), "kept");
    await api("DELETE", `/servers/${String(two.id)}`);
    assert.equal(layers(), 0);
    assert.deepEqual(
      (await ls(instance)).map(({ name }) => name),
      ["one"],
    );
  });
}
