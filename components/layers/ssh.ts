import { render } from "../../lib/render";
import { quote, quoteAll } from "../../lib/shell";
import { confirmSeconds } from "./confirm";
import type { LayerDefinition } from "./definition";
import { hostFile } from "./files";

/** What the ssh layer needs to know. */
export interface SshArgs {
  readonly primaryUser: string;
  /** TCP ports that sshd listens on: one, or two while it moves. */
  readonly sshPorts: readonly number[];
}

/** A directive of sshd_config(5) in our drop-ins. */
interface SshRule {
  readonly directive: string;
  readonly value: string;
  /** What `sshd -T` calls it, if that isn't the directive in small letters. */
  readonly key?: string;
  /**
   * Lines of another drop-in that would undo it. The layer, the host's audit and the audit's own test look after the directives that have
   * some. Those without are lists of algorithms, which `sshd -T` prints as a whole (ssh-audit judges them), and what no attacker gains by.
   */
  readonly undone?: string;
}

/** Directives with a comment above them. */
interface SshRules {
  readonly about: readonly string[];
  readonly rules: readonly SshRule[];
}

/** What our drop-ins of sshd say, beside ports, host key and user (requirements: SSH). */
export const sshRules: readonly SshRules[] = [
  {
    about: [],
    rules: [
      { directive: "AuthenticationMethods", value: "publickey", undone: "AuthenticationMethods any" },
      { directive: "PasswordAuthentication", value: "no", undone: "PasswordAuthentication yes" },
      { directive: "PubkeyAuthentication", value: "yes", undone: "PubkeyAuthentication no" },
      {
        directive: "ChallengeResponseAuthentication",
        value: "no",
        key: "kbdinteractiveauthentication",
        undone: "ChallengeResponseAuthentication yes",
      },
      { directive: "PermitRootLogin", value: "no", undone: "PermitRootLogin yes" },
    ],
  },
  {
    about: [],
    rules: [
      { directive: "MaxAuthTries", value: "3", undone: "MaxAuthTries 10" },
      { directive: "LoginGraceTime", value: "20", undone: "LoginGraceTime 120" },
      { directive: "ClientAliveInterval", value: "300", undone: "ClientAliveInterval 0" },
      { directive: "ClientAliveCountMax", value: "2", undone: "ClientAliveCountMax 9" },
    ],
  },
  {
    about: [],
    rules: [
      { directive: "AllowTcpForwarding", value: "yes", undone: "AllowTcpForwarding no" },
      { directive: "AllowAgentForwarding", value: "no", undone: "AllowAgentForwarding yes" },
      { directive: "X11Forwarding", value: "no", undone: "X11Forwarding yes" },
    ],
  },
  {
    about: [
      "Beyond the requirements. Ed25519 host keys only; what is taken out of the lists below is old, weak or without integrity of",
      "its own. mlkem768x25519 and curve25519 stay: Pulumi's SSH client has no sntrup761.",
    ],
    rules: [
      {
        directive: "HostKeyAlgorithms",
        value: "ssh-ed25519",
        undone: "HostKeyAlgorithms ssh-ed25519,rsa-sha2-512",
      },
      { directive: "KexAlgorithms", value: "-diffie-hellman-*,ecdh-sha2-*" },
      { directive: "Ciphers", value: "-3des-cbc,aes*-cbc,aes192-ctr" },
      { directive: "MACs", value: "-hmac-sha1*,hmac-md5*,umac-64*,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512" },
      {
        directive: "PubkeyAcceptedAlgorithms",
        value: "ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-512,rsa-sha2-256",
      },
    ],
  },
  {
    about: ["fail2ban and people see which key was tried."],
    rules: [
      { directive: "LogLevel", value: "VERBOSE", undone: "LogLevel QUIET" },
      { directive: "Compression", value: "no" },
      { directive: "TCPKeepAlive", value: "no" },
      { directive: "MaxSessions", value: "4" },
    ],
  },
  {
    about: [
      "Who connects without ever logging in takes no places but his own network's: of 60 that nobody has filled yet one stranger has 15 at",
      "most. A whole `pulumi up` has 8 at once.",
    ],
    rules: [
      { directive: "MaxStartups", value: "60:30:100", undone: "MaxStartups 10:30:100" },
      { directive: "PerSourceMaxStartups", value: "15", undone: "PerSourceMaxStartups none" },
      { directive: "PerSourceNetBlockSize", value: "32:64", undone: "PerSourceNetBlockSize 32:128" },
    ],
  },
  {
    about: ["No other way in than the keys that the stack lists."],
    rules: [
      {
        directive: "AuthorizedKeysFile",
        value: ".ssh/authorized_keys",
        undone: "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u",
      },
      {
        directive: "AuthorizedKeysCommand",
        value: "none",
        undone: "AuthorizedKeysCommand /bin/true\nAuthorizedKeysCommandUser nobody",
      },
      { directive: "TrustedUserCAKeys", value: "none", undone: "TrustedUserCAKeys /etc/ssh/e2e_key.pub" },
      { directive: "HostbasedAuthentication", value: "no", undone: "HostbasedAuthentication yes" },
      { directive: "PermitEmptyPasswords", value: "no", undone: "PermitEmptyPasswords yes" },
      { directive: "GatewayPorts", value: "no", undone: "GatewayPorts yes" },
      { directive: "AllowStreamLocalForwarding", value: "no", undone: "AllowStreamLocalForwarding yes" },
      { directive: "PermitTunnel", value: "no", undone: "PermitTunnel yes" },
      { directive: "PermitUserEnvironment", value: "no", undone: "PermitUserEnvironment yes" },
    ],
  },
];

/** What `sshd -T` is to say for any login: keys and values. */
export function effectiveSshd({ primaryUser, sshPorts }: SshArgs): readonly (readonly [key: string, value: string])[] {
  const fixed = sshRules
    .flatMap(({ rules }) => rules)
    .filter(({ undone }) => undone !== undefined)
    .map(({ directive, value, key = directive.toLowerCase() }) => [key, value] as const);
  return [
    ["port", sshPorts.map(String).sort().join(",")],
    ["hostkey", "/etc/ssh/ssh_host_ed25519_key"],
    ["allowusers", primaryUser],
    ...fixed,
  ];
}

/** The drop-ins of sshd, which the bootstrap and the ssh layer both install. */
export function sshdFiles({ primaryUser, sshPorts }: SshArgs) {
  const file = "etc/ssh/sshd_config.d/99-custom.conf";
  const groups = sshRules.map(({ about, rules }) => ({
    about,
    rules: rules.map(({ directive, value }) => ({ directive, value })),
  }));
  return {
    sshdConfig: hostFile(file, { primaryUser, sshPorts, groups, cumulative: true }),
    sshdFirst: hostFile(file, { primaryUser, sshPorts, groups, cumulative: false }),
  };
}

/** The drop-in of sshd's socket unit, which opens the ports where the distribution starts sshd by it. */
export function socketFile({ sshPorts }: SshArgs) {
  return { socketDropIn: hostFile("etc/systemd/system/ssh.socket.d/monoclaw.conf", { sshPorts }) };
}

/** Script of the ssh layer. */
export function sshScript(args: SshArgs): string {
  const ports = args.sshPorts.map(String);
  return render("layers/ssh/apply.sh", {
    primaryUser: quote(args.primaryUser),
    ports: quoteAll(ports),
    effective: effectiveSshd(args).map(([key, value]) => ({ key, value: quote(value) })),
    confirmSeconds,
    ...sshdFiles(args),
    ...socketFile(args),
  });
}

export const sshLayer: LayerDefinition = {
  name: "ssh",
  after: ["packages"],
  confirmed: true,
  script: ({ primaryUser, ways }) => sshScript({ primaryUser, sshPorts: ways.ports }),
  expected: ({ primaryUser, ways }) => {
    const effective = effectiveSshd({ primaryUser, sshPorts: ways.ports });
    return {
      sshPorts: ways.ports.join(","),
      ...Object.fromEntries(effective.map(([key, value]) => [`sshd.${key}`, value])),
    };
  },
};
