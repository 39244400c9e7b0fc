/** One place where a test file that needs hosts can run: a network of its own with a lab of its own. */
export interface Lane {
  readonly name: string;
  /** The command that runs argv in the lane. */
  command(argv: readonly string[]): readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Processor seconds that the lane's hosts and lab have used so far. */
  cpuSeconds(): number;
  /** What to print beside a test that was ended: hosts' journals, the lab's log. */
  evidence(): Promise<string>;
  /** Ends whatever a file left running in the lane. */
  clear(): Promise<void>;
}

/** A lane that is this machine as it is: for files that need none. */
export function noLane(name: string): Lane {
  return {
    name,
    command: (argv) => argv,
    env: {},
    cpuSeconds: () => 0,
    evidence: () => Promise.resolve(""),
    clear: () => Promise.resolve(),
  };
}
