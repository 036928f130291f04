/** The door `@hawser/stream/http`: streams over HTTP, with `fetch` and `Request` from outside. */
export type { Fetch, FetchInit } from "./stores/body.ts";
export type { HttpBytesDeps, HttpBytesOptions } from "./stores/http.ts";
export { openHttpBytes } from "./stores/http.ts";
export type { StreamAddress } from "./http/address.ts";
export { parseStreamAddress, printStreamAddress } from "./http/address.ts";
