/** A token of HuJSON: a text, a comment, a number or a word, or a sign. */
const token = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\/|[^\s"/,{}[\]:]+|\S/g;

/**
 * HuJSON (JSON with comments and commas after the last item) without what its formatter changes: white space and those
 * commas. Comments count, so two policies are the same here if a person reads the same in both.
 */
export function canonicalHujson(text: string): string {
  return tokens(text).join("\n");
}

/** The same as JSON, on one line. What is no HuJSON stays that. */
export function standardJson(text: string): string {
  return tokens(text)
    .filter((part) => !isComment(part))
    .join("");
}

function tokens(text: string): string[] {
  const all: string[] = text.match(token) ?? [];
  return all
    .filter((part, index) => {
      const next = all.slice(index + 1).find((candidate) => !isComment(candidate));
      return part !== "," || (next !== "}" && next !== "]");
    })
    .map((part) => part.trimEnd());
}

function isComment(part: string): boolean {
  return part.startsWith("//") || part.startsWith("/*");
}
