import assert from "node:assert/strict";
import { type Attacker, until } from "./attacker";
import type { TestStack } from "./stack";

/** sshd makes an address wait after failures (PerSourcePenalties in OpenSSH 9.8 and later): 15 s at first. Seconds. */
export const coolDown = 60;

/** The addresses that the jail lists. */
export async function banned(stack: TestStack): Promise<string[]> {
  const listed = await stack.root("fail2ban-client get sshd banip");
  return listed.split(/\s+/).filter((address) => address !== "");
}

/** True if the kernel shuts these out: fail2ban lists a ban before it has told the kernel of it. */
export async function inForce(stack: TestStack, addresses: readonly string[]): Promise<boolean> {
  const { stdout } = await stack.tryRoot("nft list table inet f2b-table");
  return addresses.every((address) => stdout.includes(address));
}

/** A login, as a command line of bash on the attacker. */
export interface Login {
  /** Address that it comes from, and that of the host. */
  readonly from: string;
  readonly to: string;
  readonly user: string;
  /** Path of the private key. */
  readonly key: string;
}

export function loginCommand({ from, to, user, key }: Login): string {
  return `ssh -p 22022 -b ${from} -i ${key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=3 ${user}@${to} true`;
}

/** Five logins that sshd itself refuses; what it drops unseen while an address has to wait doesn't count. */
export async function failFiveTimes(attacker: Attacker, login: Login): Promise<void> {
  const script = `failed=0; end=$((SECONDS + ${String(coolDown)}))
    until ((failed == 5 || SECONDS > end)); do
      if [[ $(${loginCommand(login)} 2>&1) == *'Permission denied (publickey)'* ]]; then ((++failed)); else sleep 0.5; fi
    done; echo $failed`;
  assert.equal((await attacker.run(script)).stdout, "5\n", `${login.user} from ${login.from}`);
}

/** The attacker's own IPv4 address. */
export async function addressOf(attacker: Attacker): Promise<string> {
  const { stdout } = await attacker.run("ip -4 -o address show eth0 scope global");
  const address = /inet ([\d.]+)/.exec(stdout)?.[1];
  assert.ok(address, stdout);
  return address;
}

/** Beginning of the IPv6 addresses that are the attacker's to choose from: `PREFIX::a`. */
export async function prefixOf(attacker: Attacker): Promise<string> {
  const { stdout } = await attacker.run("ip -6 -o address show eth0 scope global");
  const prefix = /inet6 (\S+)::1/.exec(stdout)?.[1];
  assert.ok(prefix, stdout);
  return prefix;
}

/** Five failed logins shut a stranger out of SSH, the operator still gets in, and an unban lets the stranger knock again. */
export async function shutsOut(stack: TestStack, attacker: Attacker): Promise<void> {
  const from = await addressOf(attacker);
  await attacker.run("rm -f /root/wrong; ssh-keygen -q -t ed25519 -N '' -f /root/wrong");
  const login = { from, to: await stack.address(), user: "ops", key: "/root/wrong" };
  const answer = async () => (await attacker.run(loginCommand(login))).stderr;
  await failFiveTimes(attacker, login);
  await until("the ban", 20, async () => (await banned(stack)).join() === from);
  await until("the kernel's set", 20, () => inForce(stack, [from]));
  assert.match(await answer(), /Connection refused/);
  assert.equal((await stack.ssh("true")).exitCode, 0, "the operator gets in");
  await stack.root(`fail2ban-client set sshd unbanip ${from}`);
  await until("sshd answers again", coolDown, async () => !(await answer()).includes("Connection refused"));
}
