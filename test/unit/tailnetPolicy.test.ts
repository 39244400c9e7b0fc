import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalHujson, standardJson } from "../../lib/hujson";
import { lineDiff } from "../../lib/lineDiff";
import { judgePolicy, type Member, policyRefusal, policyText } from "../../lib/tailnetPolicy";

const alice: Member = { tags: ["tag:monoclaw"], users: ["alice@example.com"], https: true, sshPorts: [] };
const wanted = policyText("prod", [alice]);
const current = (hujson: string) => ({ hujson, json: standardJson(hujson) });
const judge = (hujson: string, stack = "prod") => judgePolicy(current(hujson), wanted, stack);
const parse = (text: string) =>
  JSON.parse(standardJson(text)) as {
    tagOwners: Record<string, string[]>;
    grants: unknown[];
    tests: { src: string; accept?: string[]; deny: string[] }[];
  };

void test("the policy grants the dashboard's port of the host's tag to its users, and nothing to anybody else", () => {
  const { tagOwners, grants, tests, ...rest } = parse(wanted);
  assert.deepEqual(rest, {});
  assert.deepEqual(tagOwners, { "tag:monoclaw": ["autogroup:owner", "autogroup:admin"] });
  assert.deepEqual(grants, [{ src: ["alice@example.com"], dst: ["tag:monoclaw"], ip: ["tcp:443"] }]);
  assert.deepEqual(tests, [
    {
      src: "alice@example.com",
      accept: ["tag:monoclaw:443"],
      deny: ["tag:monoclaw:22", "tag:monoclaw:80", "tag:monoclaw:18789"],
    },
    { src: "tag:monoclaw", deny: ["tag:monoclaw:22", "tag:monoclaw:80", "tag:monoclaw:443", "tag:monoclaw:18789"] },
  ]);
});

void test("without HTTPS it is port 80; hosts with a tag of their own have users of their own, and roles aren't tested", () => {
  const bob: Member = {
    tags: ["tag:bob", "tag:extra"],
    users: ["bob@example.com", "autogroup:admin"],
    https: false,
    sshPorts: [],
  };
  const { tagOwners, grants, tests } = parse(policyText("prod", [alice, bob, bob]));
  assert.deepEqual(Object.keys(tagOwners), ["tag:monoclaw", "tag:bob", "tag:extra"]);
  assert.deepEqual(grants, [
    { src: ["alice@example.com"], dst: ["tag:monoclaw"], ip: ["tcp:443"] },
    { src: ["bob@example.com", "autogroup:admin"], dst: ["tag:bob"], ip: ["tcp:80"] },
  ]);
  assert.deepEqual(
    tests.map(({ src }) => src),
    ["alice@example.com", "bob@example.com", "tag:monoclaw", "tag:bob", "tag:extra"],
  );
  assert.deepEqual(tests[1]?.accept, ["tag:bob:80"]);
  assert.ok(tests[0]?.deny.includes("tag:bob:80") && tests[1].deny.includes("tag:monoclaw:443"));
});

void test("a policy is this stack's if its digest fits, in whatever layout", () => {
  assert.equal(judge(wanted), "same");
  assert.equal(judge(wanted.replaceAll("\n    ", "\n\t").replace("\n\t]", ", ]")), "same");
  const earlier = policyText("prod", [{ ...alice, users: ["bob@example.com"] }]);
  assert.equal(judge(earlier), "own");
  assert.equal(judge(earlier.replaceAll("\n    ", "\n\t")), "own");
});

void test("a changed rule, a changed comment, a forged or missing marker are noticed", () => {
  assert.equal(judge(wanted.replace("tcp:443", "tcp:22")), "edited");
  assert.equal(judge(wanted.replace("// Who may open", "// All may open")), "edited");
  assert.equal(judge(wanted.replace(/sha256=./, "sha256=x").replace("tcp:443", "tcp:22")), "foreign");
  assert.equal(judge(wanted.replace(/^.*\n/, "").replace("tcp:443", "tcp:22")), "foreign");
  // Another stack's, and this stack's name on it.
  const other = policyText("other", [alice]);
  assert.equal(judge(other), "foreign");
  assert.equal(judge(other.replace("stack=other", "stack=prod")), "edited");
});

void test("what Tailscale gives a new tailnet is nobody's; one rule more is", () => {
  const ssh = '"ssh": [{"action": "check", "src": ["autogroup:member"], "dst": ["autogroup:self"], "users": ["root"]}]';
  assert.equal(judge(`// Example\n{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]},], ${ssh},}`), "new");
  assert.equal(judge(`{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}], ${ssh}}`), "new");
  assert.equal(judge('{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:22"]}]}'), "foreign");
  assert.equal(judge('{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}], "groups": {"group:a": []}}'), "foreign");
  assert.equal(judge("{}"), "foreign");
});

void test("a refusal shows both policies and the commands for every way out", () => {
  const foreign = policyRefusal("foreign", current('{\n  "grants": []\n}\n'), wanted, "tailnet-acl");
  assert.match(foreign, /is not this stack's/);
  assert.match(foreign, /^ {4}- {3}"grants": \[\]$/m);
  assert.match(foreign, /^ {4}\+ .*"ip": \["tcp:443"\]/m);
  assert.match(foreign, /^ {4}pulumi import --generate-code=false tailscale:index\/acl:Acl tailnet-acl acl$/m);
  assert.match(foreign, /^ {4}pulumi config set --path 'monoclaw:tailnet\.acl' leave$/m);
  const edited = policyRefusal("edited", current(wanted.replace("tcp:443", "tcp:22")), wanted, "tailnet-acl");
  assert.match(edited, /changed past this stack/);
  assert.match(edited, /^ {4}pulumi config set --path 'monoclaw:tailnet\.overwriteAcl' true && pulumi up --refresh/m);
  assert.doesNotMatch(edited, /tagOwners|import/, "lines that are the same");
  const other = policyRefusal("foreign", current(policyText("other", [alice])), wanted, "tailnet-acl");
  assert.match(other, /belongs to the stack other/);
});

void test("lines that differ, in their order", () => {
  assert.deepEqual(lineDiff("a\nb\nc\n", "a\nx\nc\nd"), ["- b", "+ x", "+ d"]);
  assert.deepEqual(lineDiff("same\n", "same"), []);
  assert.deepEqual(lineDiff("b", "a\nb"), ["+ a"]);
});

void test("HuJSON as JSON: no comments, no commas at the end, texts as they are", () => {
  assert.deepEqual(JSON.parse(standardJson('// x\n{"a": [1, /* 2, */ "//", "\\"}",], }')), { a: [1, "//", '"}'] });
  assert.notEqual(canonicalHujson("{} // a"), canonicalHujson("{} // b"));
});

void test("where SSH comes in over the tailnet, the users reach sshd's ports, too, and nobody else does", () => {
  const carol: Member = { tags: ["tag:carol"], users: ["carol@example.com"], https: true, sshPorts: [2222, 22022] };
  const { grants, tests } = parse(policyText("prod", [alice, carol]));
  assert.deepEqual(grants, [
    { src: ["alice@example.com"], dst: ["tag:monoclaw"], ip: ["tcp:443"] },
    { src: ["carol@example.com"], dst: ["tag:carol"], ip: ["tcp:443", "tcp:2222", "tcp:22022"] },
  ]);
  const of = (src: string) => tests.find((each) => each.src === src);
  assert.deepEqual(of("carol@example.com")?.accept, ["tag:carol:443", "tag:carol:2222", "tag:carol:22022"]);
  assert.ok(of("carol@example.com")?.deny.includes("tag:carol:22"));
  assert.ok(of("alice@example.com")?.deny.includes("tag:carol:22022"));
  assert.ok(of("alice@example.com")?.deny.includes("tag:monoclaw:22022"));
  assert.ok(of("tag:carol")?.deny.includes("tag:carol:22022"));
});
