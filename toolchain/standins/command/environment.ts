import type { Client } from "ssh2";

/** The parts of ssh2 1.17.0 that are no public interface: it sends variables, but never asks whether they were taken. */
interface Internals {
  _protocol: {
    env(channel: number, key: string, value: string, wantReply: boolean): void;
    exec(channel: number, command: string, wantReply: boolean): void;
  };
  _chanMgr: { _channels: Record<string, { outgoing?: { id: number }; _callbacks?: ((failed: boolean) => void)[] }> };
}

/**
 * Makes the client ask for an answer to each environment variable that it sends, and hold the command back until all answers are there.
 *
 * @param decide gets the names that the host's `AcceptEnv` refused; the command is sent only if it returns true
 */
export function gateEnvironment(client: Client, decide: (refused: string[]) => boolean): void {
  const internals = client as unknown as Internals;
  const protocol = internals._protocol;
  const [sendEnv, sendExec] = [protocol.env.bind(protocol), protocol.exec.bind(protocol)];
  const answers: Promise<string | undefined>[] = [];
  protocol.env = (id, key, value) => {
    const callbacks = Object.values(internals._chanMgr._channels).find(
      ({ outgoing }) => outgoing?.id === id,
    )?._callbacks;
    if (callbacks === undefined) throw new Error("this version of ssh2 keeps no list of channel callbacks");
    const answer = new Promise<string | undefined>((resolve) => {
      callbacks.push((failed) => {
        resolve(failed ? key : undefined);
      });
    });
    answers.push(answer);
    sendEnv(id, key, value, true);
  };
  protocol.exec = (id, command, wantReply) => {
    void Promise.all(answers).then((names) => {
      if (decide(names.filter((name) => name !== undefined))) sendExec(id, command, wantReply);
    });
  };
}
