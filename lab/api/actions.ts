import { messageOf } from "../run";
import { Action, ResourceType, Server, Store } from "../state";
import { locked } from "./errors";

/** Sets how far an action is, in percent. */
export type SetProgress = (percent: number) => void;

/** One resource that an action is about. */
export interface ActionTarget {
  readonly id: number;
  readonly type: ResourceType;
}

/** Makes actions and runs their work in the background, as the API's clients expect: `running` first, then the outcome. */
export class Actions {
  /** Work under way, for a clean stop of the daemon. */
  private readonly pending = new Set<Promise<void>>();

  /** @param log - where failures of actions are written down */
  constructor(
    private readonly store: Store,
    private readonly log: (line: string) => void,
  ) {}

  /** Starts an action. The answer to the client is its state now; a failure of the work becomes the action's error. */
  start(command: string, targets: readonly ActionTarget[], work: (progress: SetProgress) => Promise<void>): Action {
    const action: Action = {
      id: this.store.newId(),
      command,
      status: "running",
      progress: 0,
      started: new Date().toISOString(),
      finished: null,
      error: null,
      resources: [...targets],
    };
    this.store.state.actions.push(action);
    this.store.save();
    const done = this.finish(action, work);
    this.pending.add(done);
    void done.finally(() => this.pending.delete(done));
    return { ...action };
  }

  /** An action that is over at once. */
  instant(command: string, targets: readonly ActionTarget[], work: () => void): Action {
    work();
    const now = new Date().toISOString();
    const action: Action = {
      id: this.store.newId(),
      command,
      status: "success",
      progress: 100,
      started: now,
      finished: now,
      error: null,
      resources: [...targets],
    };
    this.store.state.actions.push(action);
    this.store.save();
    return { ...action };
  }

  /** Starts an action that changes a server: while it runs, the server is locked against others. */
  onServer(
    server: Server,
    command: string,
    work: (progress: SetProgress) => Promise<void>,
    others: readonly ActionTarget[] = [],
  ): Action {
    if (server.locked) {
      throw locked(`server ${String(server.id)}`);
    }
    server.locked = true;
    return this.start(command, [{ id: server.id, type: "server" }, ...others], async (progress) => {
      try {
        await work(progress);
      } finally {
        server.locked = false;
      }
    });
  }

  /** Waits for all work under way. */
  async settle(): Promise<void> {
    await Promise.all(this.pending);
  }

  private async finish(action: Action, work: (progress: SetProgress) => Promise<void>): Promise<void> {
    // The client gets its answer before the work starts.
    await new Promise(setImmediate);
    try {
      await work((percent) => {
        action.progress = percent;
      });
      action.status = "success";
      action.progress = 100;
    } catch (error) {
      action.status = "error";
      action.error = { code: "action_failed", message: messageOf(error) };
      this.log(
        `action ${action.command} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    action.finished = new Date().toISOString();
    this.store.save();
  }
}
