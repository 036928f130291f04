/** The door `@hawser/stream/http`: streams over HTTP, with `fetch` and `Request` from outside. */
export type { Fetch, FetchInit } from "./stores/body.ts";
export type { HttpBytesDeps, HttpBytesOptions } from "./stores/http.ts";
export { openHttpBytes } from "./stores/http.ts";
export type { StreamAddress } from "./http/address.ts";
export { parseStreamAddress, printStreamAddress } from "./http/address.ts";
export type {
  CreateVerdict,
  HostedStream,
  ServedStream,
  StreamHandler,
  StreamHandlerDeps,
  StreamHandlerOptions,
  StreamHost,
} from "./http/handler.ts";
export type { StoreHost, StreamStores } from "./http/host.ts";
export type { MirrorOutcome } from "./http/mirror.ts";
export type { ProblemCode } from "./http/problem.ts";
export { createStreamHandler } from "./http/handler.ts";
export { createStoreHost } from "./http/host.ts";
export { mirrorStream, openMirror } from "./http/mirror.ts";
