/** React hooks over views and documents. Layer 8. */
export type { DocsProviderProps } from "./hooks.ts";
export type { ReactErrorCode } from "./errors.ts";
export type { Access, Loaded } from "./store.ts";
export { ReactError } from "./errors.ts";
export { DocsProvider, useDoc, useDocs, useQuery, useView } from "./hooks.ts";
