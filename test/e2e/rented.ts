import { join } from "node:path";
import { PlainServer } from "./plainServer";
import { folder, TestStack } from "./stack";

/** What lies on a rented machine against the requirements: the files of cloud images, and of somebody who had it before. */
const hostile = {
  users: [
    { name: "debian", sudo: "ALL=(ALL) NOPASSWD:ALL", groups: "adm,sudo", lock_passwd: true, shell: "/bin/bash" },
  ],
  write_files: [
    {
      path: "/etc/ssh/sshd_config.d/50-cloud-init.conf",
      content: "PasswordAuthentication yes\nPermitRootLogin yes\nMaxAuthTries 10\n",
    },
    { path: "/etc/ssh/sshd_config.d/60-cloudimg-settings.conf", content: "PasswordAuthentication yes\n" },
    { path: "/etc/ssh/sshd_config.d/70-old-owner.conf", content: "AllowUsers root debian bob\n" },
  ],
  runcmd: [
    "useradd -m -G sudo bob; echo 'bob:a password' | chpasswd",
    "install -d -m 700 -o debian -g debian /home/debian/.ssh",
    "install -m 600 -o debian -g debian /root/.ssh/authorized_keys /home/debian/.ssh/authorized_keys",
    "echo Port 22 >>/etc/ssh/sshd_config; systemctl restart ssh",
  ],
};

/** As a provider's panel orders it: the image's own user, and logins by password. */
const ordered = { users: ["default"], ssh_pwauth: true };

const cloudConfig = (content: object): string => `#cloud-config\n${JSON.stringify(content)}\n`;

const machines = {
  "debian-12": { stack: "existing", user: "debian", userData: cloudConfig(hostile) },
  "ubuntu-22.04": { stack: "jammy", user: "ubuntu", userData: cloudConfig(ordered) },
  "ubuntu-24.04": { stack: "noble", user: "ubuntu", userData: cloudConfig(ordered) },
  "ubuntu-26.04": { stack: "resolute", user: "ubuntu", userData: cloudConfig(ordered) },
} as const;

export type RentedImage = keyof typeof machines;

/** The machine of an image in this file's lab. */
export function rentedServer(image: RentedImage): PlainServer {
  return PlainServer.of(`monoclaw-${machines[image].stack}-gateway`, rootKey(image));
}

/** The key that opens the account until the machine is taken over. */
export function rootKey(image: RentedImage): string {
  return join(folder, `root_${machines[image].stack}`);
}

/** Rents a machine in this file's lab, and makes the stack that is to take it over. */
export async function rent(image: RentedImage): Promise<TestStack> {
  const { stack: name, userData } = machines[image];
  const stack = await TestStack.make(name, { "monoclaw:target": "existing" });
  const server = rentedServer(image);
  await server.rent(image, userData);
  await configureExisting(stack, image, {});
  return stack;
}

/** Sets the group `existing` as it is right, but for what is to be changed; `undefined` leaves a key out. */
export async function configureExisting(
  stack: TestStack,
  image: RentedImage,
  changed: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const server = rentedServer(image);
  const right = { address: await server.address(), user: machines[image].user, hostKey: await server.hostKey() };
  const group = { ...right, privateKey: rootKey(image), ...changed };
  stack.configure({ "monoclaw:existing": group });
}
