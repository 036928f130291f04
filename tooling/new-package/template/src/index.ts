export type { __Name__, __Name__Deps } from "./types.ts";
export type { __Name__ErrorCode } from "./errors.ts";
export { create__Name__ } from "./__name__.ts";
export { __Name__Error } from "./errors.ts";
