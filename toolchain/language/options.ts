/** The `runtime.options` of Pulumi.yaml that the official Node.js language host knows and that matter to a run. */
export interface RuntimeOptions {
  /** Load ts-node before the program. */
  typescript: boolean;
  /** Path of a tsconfig.json for ts-node. */
  tsconfig: string | undefined;
  /** Arguments for node itself, split like a shell does. */
  nodeargs: string[];
}

/** Reads `runtime.options`. @throws if one of them has the wrong type */
export function readOptions(options: Record<string, unknown>): RuntimeOptions {
  const { typescript = true, tsconfig, nodeargs = "" } = options;
  if (typeof typescript !== "boolean") throw new Error("Pulumi.yaml: runtime.options.typescript must be a boolean");
  if (tsconfig !== undefined && typeof tsconfig !== "string") {
    throw new Error("Pulumi.yaml: runtime.options.tsconfig must be a string");
  }
  if (typeof nodeargs !== "string") throw new Error("Pulumi.yaml: runtime.options.nodeargs must be a string");
  return { typescript, tsconfig, nodeargs: splitWords(nodeargs) };
}

/** Splits a command line at blanks, with single and double quotes and backslashes as in a shell. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/g)) {
    words.push(
      word.replace(
        /"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g,
        (_match, double?: string, single?: string, escaped?: string) =>
          double === undefined ? (single ?? escaped ?? "") : double.replace(/\\(["\\$`])/g, "$1"),
      ),
    );
  }
  return words;
}
