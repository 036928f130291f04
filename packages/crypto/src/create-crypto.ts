/** Where a program gets its `Crypto` from. Layer 1. */
import { assemble } from "./assemble.ts";
import { nobleFamilies } from "./noble.ts";
import type { Crypto } from "./types.ts";

/**
 * `Crypto` in pure TypeScript by @noble: synchronous, no WASM, no platform. The floor under
 * `createCrypto`, and enough for tests and small tools.
 */
export function createNobleCrypto(): Crypto {
  return assemble(nobleFamilies);
}
