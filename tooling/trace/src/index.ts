/** What tests and benches of editors' documents import: the editing trace, and a space to write it into. */
export type { Keystroke } from "./trace.ts";
export type { TwoDevices } from "./two-devices.ts";
export { readTrace, textAfter, traceLength } from "./trace.ts";
export { createTwoDevices } from "./two-devices.ts";
