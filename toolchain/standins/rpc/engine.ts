import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import { channelOptions } from "./serve";

/** Prints to the person who runs Pulumi. */
export interface Log {
  /** A line that stays, shown among the diagnostics. */
  info(message: string): void;
  /** A line beside the resource's progress, gone when the next one comes. */
  status(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** The engine that started this plugin. */
export class Engine {
  private readonly client: EngineClient;
  private pending: Promise<unknown> = Promise.resolve();

  constructor(readonly address: string) {
    this.client = new EngineClient(address, grpc.credentials.createInsecure(), channelOptions);
  }

  /** The log of one resource, or without `urn` of the whole run. */
  log(urn = ""): Log {
    const send = (severity: LogSeverity, message: string, ephemeral: boolean): void => {
      const request = new LogRequest();
      request.setSeverity(severity);
      request.setMessage(message);
      request.setUrn(urn);
      request.setEphemeral(ephemeral);
      // One after the other: the lines of a command must arrive in order.
      this.pending = this.pending.then(
        () =>
          new Promise<void>((resolve) => {
            this.client.log(request, () => {
              resolve(); // a lost log line must not fail the update
            });
          }),
      );
    };
    return {
      info: (message) => {
        send(LogSeverity.INFO, message, false);
      },
      status: (message) => {
        send(LogSeverity.INFO, message, true);
      },
      warn: (message) => {
        send(LogSeverity.WARNING, message, false);
      },
      error: (message) => {
        send(LogSeverity.ERROR, message, false);
      },
    };
  }

  /** Resolves when the engine has every line sent so far. */
  async flushed(): Promise<void> {
    await this.pending;
  }
}
