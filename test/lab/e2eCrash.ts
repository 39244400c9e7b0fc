import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureLab, exec, ls } from "../../lab/client";
import { killGroup, processesOf } from "../../lab/host/groups";
import { fabricGroup } from "../../lab/host/network";
import { instanceOf } from "../../lab/instances";
import { waitUntil } from "../../lab/run";
import { Step } from "./e2e.test";
import { api, instance, KeyPair, ssh } from "./labHost";

const options = { instance, progress: () => undefined } as const;

/** What is left when parts of the lab die, and what becomes of it. */
export async function crashTests(step: Step, keys: KeyPair): Promise<void> {
  const { stateDir, group } = instanceOf(instance);
  const killDaemon = async (): Promise<void> => {
    const pid = Number(readFileSync(join(stateDir, "ready"), "utf8"));
    process.kill(pid, "SIGKILL");
    const gone = (): boolean => !processesOf(`${group}-daemon`).some((process) => process.pid === pid);
    await waitUntil(gone, { deadline: 5_000, what: "the daemon to die" });
  };

  await step("a daemon that died is replaced; hosts live on and are taken over", async () => {
    const before = await ls(instance);
    await killDaemon();
    const one = before.find(({ name }) => name === "one");
    assert.equal((await ssh(keys, one?.ipv4 ?? "", "true")).exitCode, 0, "the host died with the daemon");
    await ensureLab(options);
    assert.deepEqual(await ls(instance), before);
    const { servers } = await api<{ servers: { status: string }[] }>("GET", "/servers");
    assert.deepEqual(
      servers.map(({ status }) => status),
      before.map(() => "running"),
    );
    assert.equal(
      (await exec(instance, "one", ["curl", "-sS", "http://169.254.169.254/hetzner/v1/metadata/hostname"])).stdout,
      "one",
    );
  });

  await step("a host that died with the daemon is found off", async () => {
    const [host] = await ls(instance);
    await killDaemon();
    await killGroup(`${group}-h${String(host?.id)}`);
    await ensureLab(options);
    assert.equal((await ls(instance)).find(({ id }) => id === host?.id)?.status, "off");
  });

  await step("a network that died is made again, and hosts without a cable are off", async () => {
    await killDaemon();
    await killGroup(fabricGroup(instanceOf(instance)));
    await ensureLab(options);
    assert.deepEqual([...new Set((await ls(instance)).map(({ status }) => status))], ["off"]);
    const [host] = await ls(instance);
    await api("POST", `/servers/${String(host?.id)}/actions/poweron`);
    const up = async (): Promise<boolean> => (await ssh(keys, host?.ipv6 ?? "", "true")).exitCode === 0;
    await waitUntil(up, { deadline: 60_000, what: "SSH after the new network" });
  });

  await step("hosts that no record knows are ended at the next start", async () => {
    await killDaemon();
    rmSync(join(stateDir, "state.json"));
    assert.ok(processesOf(group).some((process) => /-h\d+$/.test(process.group)));
    await ensureLab(options);
    assert.deepEqual(
      processesOf(group).filter((process) => /-h\d+$/.test(process.group)),
      [],
    );
    assert.deepEqual(await ls(instance), []);
  });
}
