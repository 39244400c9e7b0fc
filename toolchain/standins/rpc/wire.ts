import * as grpc from "@grpc/grpc-js";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { StatusError } from "./serve";
import { decodeMap, encodeMap, type ValueMap } from "./values";

/** Reads a Struct of a request; an absent one is empty. */
export function fromStruct(struct: Struct | undefined): ValueMap {
  return struct === undefined ? {} : decodeMap(struct.toJavaScript());
}

/** Writes properties into a Struct for a response. */
export function toStruct(values: ValueMap): Struct {
  return Struct.fromJavaScript(encodeMap(values));
}

/** The error by which the engine learns that a resource exists although its creation failed. */
export function initFailed(message: string, id: string, inputs: ValueMap, outputs: ValueMap): StatusError {
  const failure = new ErrorResourceInitFailed();
  failure.setId(id);
  failure.setProperties(toStruct(outputs));
  failure.setInputs(toStruct(inputs));
  failure.setReasonsList([message]);
  const detail = new Any();
  detail.pack(failure.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(message);
  status.addDetails(detail);
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return new StatusError(message, grpc.status.UNKNOWN, metadata);
}
