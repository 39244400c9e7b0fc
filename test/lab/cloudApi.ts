import { InstanceName, instanceOf, labToken } from "../../lab/instances";
import { waitUntil } from "../../lab/run";

/** Methods of the cloud's API. */
export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** One call of the cloud's API; the answer's body. */
export type Call = <T>(method: Method, path: string, body?: object) => Promise<T>;

interface Action {
  readonly id: number;
  readonly command: string;
  readonly status: "running" | "success" | "error";
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** What an answer may name as under way. */
interface ActionAnswer {
  readonly action?: Action;
  readonly actions?: readonly Action[];
  readonly next_actions?: readonly Action[];
}

/** Calls a lab's API as it is, without waiting for what the call starts; any answer but a success is an error. */
export function caller(name: InstanceName): Call {
  return async <T>(method: Method, path: string, body?: object) => {
    const headers: Record<string, string> = { authorization: `Bearer ${labToken}` };
    const init: RequestInit = { method, headers };
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    const answer = await fetch(`${instanceOf(name).endpoint}/${path}`, init);
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${String(answer.status)} ${text}`);
    }
    return (text === "" ? {} : JSON.parse(text)) as T;
  };
}

/**
 * Calls the API and waits until every action that the call started is over: what it changes may look done before, but stays locked. Throws at
 * the deadline (seconds), and when an action failed.
 */
export async function callAndWait<T>(
  call: Call,
  method: Method,
  path: string,
  body?: object,
  deadline = 60,
): Promise<T> {
  const answer = await call<T & ActionAnswer>(method, path, body);
  if (method === "GET") {
    return answer; // its actions are a list that was asked for
  }
  const { action, actions = [], next_actions: next = [] } = answer;
  for (const started of [...(action === undefined ? [] : [action]), ...actions, ...next]) {
    const what = `action ${String(started.id)} (${started.command}) of ${method} ${path}`;
    const isOver = async (): Promise<boolean> => {
      const { action: now } = await call<{ action: Action }>("GET", `actions/${String(started.id)}`);
      if (now.status === "error") {
        throw new Error(`${what} failed: ${now.error?.message ?? "no reason given"}`);
      }
      return now.status === "success";
    };
    await waitUntil(isOver, { deadline: deadline * 1000, what });
  }
  return answer;
}
