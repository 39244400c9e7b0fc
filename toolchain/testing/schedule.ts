/** Something to run, and what it must have for itself meanwhile. */
export interface Job {
  readonly name: string;
  /** Name of the resource, one of which it holds while it runs. */
  readonly need: string;
  /** How long it took the last time; undefined if nobody knows. */
  readonly seconds?: number | undefined;
  /** True for what others wait for: it comes before all that isn't. */
  readonly isAwaited?: boolean;
}

/**
 * Runs jobs side by side, as far as there is what they need: those that are awaited first, then those that take longest, before them
 * those that nobody knows.
 *
 * @param slots what there is, by name: each list's entries are handed out one by one
 * @param run gets the job, what it holds, and the seconds that it waited; must not throw
 */
export async function schedule<Each extends Job, Slot>(
  jobs: readonly Each[],
  slots: Readonly<Record<string, readonly Slot[]>>,
  run: (job: Each, slot: Slot, waited: number) => Promise<void>,
): Promise<void> {
  const started = Date.now();
  const queues = new Map<string, Each[]>();
  for (const job of [...jobs].sort(longestFirst)) {
    if ((slots[job.need] ?? []).length === 0) throw new Error(`${job.name} needs ${job.need}, and there is none`);
    queues.set(job.need, [...(queues.get(job.need) ?? []), job]);
  }
  const workers = [...queues].flatMap(([need, queue]) =>
    (slots[need] ?? []).map(async (slot) => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        await run(job, slot, (Date.now() - started) / 1000);
      }
    }),
  );
  await Promise.all(workers);
}

function longestFirst(left: Job, right: Job): number {
  if ((left.isAwaited === true) !== (right.isAwaited === true)) return left.isAwaited === true ? -1 : 1;
  const [one, other] = [left.seconds ?? Infinity, right.seconds ?? Infinity];
  if (one === other) return left.name < right.name ? -1 : 1;
  return other > one ? 1 : -1;
}

/** Shares things out so that each share takes about as long: the longest first, each to the share that has least. */
export function share<Each>(things: readonly Each[], count: number, secondsOf: (each: Each) => number): Each[][] {
  const shares = Array.from({ length: count }, () => ({ seconds: 0, things: [] as Each[] }));
  for (const thing of [...things].sort((left, right) => secondsOf(right) - secondsOf(left))) {
    const [least] = [...shares].sort((left, right) => left.seconds - right.seconds);
    least?.things.push(thing);
    if (least !== undefined) least.seconds += secondsOf(thing);
  }
  return shares.map((each) => each.things).filter((each) => each.length > 0);
}
