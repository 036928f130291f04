/** The platform of browsers: nothing beyond JavaScript and WebAssembly. Layer 1, internal. */
import type { Platform } from "./platform.ts";

/** No native primitives, and no way to a .wasm file unless the application gives one. */
export const platform: Platform = { native: undefined, loadSecp256k1: undefined };
