import { createHash } from "node:crypto";
import { FastifyInstance } from "fastify";
import { SshKey } from "../state";
import { Lab } from "./context";
import { notFound, notUnique } from "./errors";
import { Input } from "./input";
import { listing, Query, queryValues } from "./listing";

const keyTypes = [
  "ssh-ed25519",
  "ssh-rsa",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
];

/** MD5 fingerprint of an OpenSSH public key, as the API gives it, or undefined if that is no such key. */
export function fingerprintOf(publicKey: string): string | undefined {
  const [type = "", encoded = ""] = publicKey.trim().split(/\s+/);
  const blob = Buffer.from(encoded, "base64");
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  const inner = blob.subarray(4, 4 + length).toString();
  const isKey =
    keyTypes.includes(type) && inner === type && blob.length > 4 + length && !publicKey.trim().includes("\n");
  return isKey
    ? createHash("md5")
        .update(blob)
        .digest("hex")
        .replace(/(..)(?!$)/g, "$1:")
    : undefined;
}

/** `/ssh_keys` */
export function sshKeyRoutes(app: FastifyInstance, lab: Lab): void {
  const keys = lab.store.state.sshKeys;
  const byId = (id: string): SshKey => {
    const key = keys.find((candidate) => String(candidate.id) === id);
    if (key === undefined) {
      throw notFound("ssh_key", id);
    }
    return key;
  };
  const checkName = (name: string, own?: SshKey): void => {
    if (keys.some((key) => key.name === name && key !== own)) {
      throw notUnique("name", "SSH key name is already used");
    }
  };

  app.get<{ Querystring: Query }>("/ssh_keys", ({ query }) => {
    const fingerprints = queryValues(query, "fingerprint");
    const found = keys.filter((key) => fingerprints.length === 0 || fingerprints.includes(key.fingerprint));
    return listing("ssh_keys", found, query, (key) => key);
  });

  app.get<{ Params: { id: string } }>("/ssh_keys/:id", ({ params }) => ({ ssh_key: byId(params.id) }));

  app.post("/ssh_keys", (request, reply) => {
    const input = new Input(request.body);
    const name = input.requiredText("name");
    const publicKey = input.requiredText("public_key").trim();
    const labels = input.labels() ?? {};
    const fingerprint = fingerprintOf(publicKey);
    if (publicKey !== "" && fingerprint === undefined) {
      input.reject("public_key", "SSH key has an invalid format");
    }
    input.check();
    checkName(name);
    if (keys.some((key) => key.fingerprint === fingerprint)) {
      throw notUnique("public_key", "SSH key with the same fingerprint already exists");
    }
    const key: SshKey = {
      id: lab.store.newId(),
      name,
      fingerprint: fingerprint ?? "",
      public_key: publicKey,
      labels,
      created: new Date().toISOString(),
    };
    keys.push(key);
    return reply.code(201).send({ ssh_key: key });
  });

  app.put<{ Params: { id: string } }>("/ssh_keys/:id", ({ params, body }) => {
    const key = byId(params.id);
    const input = new Input(body);
    const name = input.text("name");
    const labels = input.labels();
    input.check();
    if (name !== undefined && name !== "") {
      checkName(name, key);
      key.name = name;
    }
    key.labels = labels ?? key.labels;
    return { ssh_key: key };
  });

  app.delete<{ Params: { id: string } }>("/ssh_keys/:id", ({ params }, reply) => {
    keys.splice(keys.indexOf(byId(params.id)), 1);
    return reply.code(204).send();
  });
}
