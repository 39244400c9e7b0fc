import { TailnetError } from "../errors";
import { etagOf } from "../policy";
import { defaultPolicy } from "../store";
import { Tailnet } from "../tailnet";
import { Answer, Call, Route } from "./app";

const acl = "/tailnet/:tailnet/acl";

/** `/acl`: the tailnet's one policy file, which is HuJSON. */
export function policyRoutes(route: Route, tailnet: Tailnet): void {
  const answer = async ({ headers }: Call): Promise<Answer> => {
    const { policy } = tailnet.store.state;
    const isJson = headers.accept?.includes("application/json") ?? false;
    const type = isJson ? "application/json" : "application/hujson";
    const body = isJson ? (await tailnet.judged()).json : policy;
    return { body, headers: { etag: `"${etagOf(policy)}"`, "content-type": type } };
  };

  route("GET", acl, "policy_file", answer);

  route("POST", acl, "policy_file", async (call) => {
    const { policy } = tailnet.store.state;
    const condition = call.headers["if-match"]?.replaceAll('"', "");
    const holds = condition === "ts-default" ? policy === defaultPolicy : condition === etagOf(policy);
    if (condition !== undefined && !holds) {
      throw new TailnetError(412, "precondition failed, invalid old hash");
    }
    // An empty one resets it.
    await tailnet.setPolicy(call.body === "" ? defaultPolicy : call.body);
    return answer(call);
  });

  // Takes a policy, or a list of tests for the one in force; failures are no error of the call.
  route("POST", `${acl}/validate`, "policy_file", async ({ body }) => {
    try {
      await tailnet.backend.judge(await withTests(tailnet, body));
      return undefined;
    } catch (error) {
      if (error instanceof TailnetError) {
        return error.body();
      }
      throw error;
    }
  });
}

async function withTests(tailnet: Tailnet, body: string): Promise<string> {
  if (!body.trimStart().startsWith("[")) {
    return body;
  }
  const { json } = await tailnet.judged();
  return JSON.stringify({ ...json, tests: JSON.parse(body) as unknown });
}
