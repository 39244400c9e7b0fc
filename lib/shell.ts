/**
 * Quotes a value as one word of a POSIX shell command. The only quoting function of the project.
 *
 * @param value - any text without a NUL byte
 * @throws RangeError if the value holds a NUL byte, which no shell word can carry
 */
export function quote(value: string): string {
  if (value.includes("\0")) {
    throw new RangeError("a shell word can't hold a NUL byte");
  }
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/** A word for a shell, in quotes only if it needs them. */
export function shellWord(value: string): string {
  return /^[\w./-]+$/.test(value) ? value : quote(value);
}

/** Quotes each value and joins the words with spaces: the words of a shell `for` list or array. */
export function quoteAll(values: readonly string[]): string {
  return values.map(quote).join(" ");
}

/** What ends a here-document that {@link hereDocument} made. */
const delimiter = "MONOCLAW_FILE";

/**
 * A file's text as a quoted here-document (nothing in it is expanded), to stand at the end of a command line.
 *
 * @throws RangeError if the text holds a NUL byte, lacks its last line break or has the delimiter as a line
 */
export function hereDocument(text: string): string {
  if (text.includes("\0") || !text.endsWith("\n") || text.split("\n").includes(delimiter)) {
    throw new RangeError(`a file must be text that ends with a line break and has no line ${delimiter}`);
  }
  return `<<'${delimiter}'\n${text}${delimiter}`;
}
