import * as grpc from "@grpc/grpc-js";

/** Largest message that the engine sends, in bytes: the limit that Pulumi's own plugins use. */
const MAX_MESSAGE = 400 * 1024 * 1024;

/** Options of every gRPC client and server here. */
export const channelOptions: grpc.ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE,
  "grpc.max_send_message_length": MAX_MESSAGE,
};

/**
 * Serves a plugin the way the engine expects it: on a loopback port of its own, printed as the first line of stdout. The process ends
 * at SIGINT or SIGTERM, and when the engine, which holds its stdin, is gone.
 */
export function serve(addServices: (server: grpc.Server) => void): void {
  const server = new grpc.Server(channelOptions);
  addServices(server);
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) {
      process.stderr.write(`could not listen on 127.0.0.1: ${error.message}\n`);
      process.exit(1);
    }
    process.stdout.write(`${String(port)}\n`);
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
  process.stdin.on("end", () => process.exit(0)).resume();
}

type Handler<Request, Response> = (request: Request) => Promise<Response> | Response;

/** Turns an async function into a gRPC method; what it throws becomes the error that the user reads. */
export function unary<Request, Response>(handler: Handler<Request, Response>): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    Promise.resolve()
      .then(() => handler(call.request))
      .then(
        (response) => {
          callback(null, response);
        },
        (error: unknown) => {
          callback(statusOf(error));
        },
      );
  };
}

/** An error that carries a gRPC status code of its own, and details for the engine. */
export class StatusError extends Error {
  constructor(
    message: string,
    readonly code: grpc.status,
    readonly metadata?: grpc.Metadata,
  ) {
    super(message);
  }
}

function statusOf(error: unknown): Partial<grpc.ServiceError> {
  if (error instanceof StatusError) {
    return { code: error.code, details: error.message, ...(error.metadata && { metadata: error.metadata }) };
  }
  return { code: grpc.status.UNKNOWN, details: error instanceof Error ? error.message : String(error) };
}

/** A method that this plugin does not serve, with a clear word instead of a bare code. */
export function unimplemented(what: string): grpc.handleUnaryCall<unknown, never> {
  return unary(() => {
    throw new StatusError(what, grpc.status.UNIMPLEMENTED);
  });
}
