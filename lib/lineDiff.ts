/** Lines that only `from` has, with `-` before them, and that only `to` has, with `+`, in their order. */
export function lineDiff(from: string, to: string): string[] {
  const [left, right] = [from, to].map((text) =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => line.trimEnd()),
  ) as [string[], string[]];
  // common[i][j]: how many lines left[i…] and right[j…] have in common, in order.
  const common = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      const row = common[i] ?? [];
      row[j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  for (let i = 0, j = 0; i < left.length || j < right.length;) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      i++;
      j++;
    } else if (j >= right.length || (i < left.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push(`- ${left[i++] ?? ""}`);
    } else {
      lines.push(`+ ${right[j++] ?? ""}`);
    }
  }
  return lines;
}
