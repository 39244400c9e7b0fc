/** What `monoclaw-config devices` says below an ID; empty if it doesn't have it. */
export function entry(list: string, id: string): string {
  return new RegExp(`^  ${id}\\n((?: {4}.*\\n?)*)`, "m").exec(list)?.[1] ?? "";
}
