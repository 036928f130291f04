/**
 * What the platform offers beyond JavaScript. Layer 1, internal. `#platform` resolves to
 * `platform-node.ts` under the "node" condition (Node, Deno, Bun) and to `platform-none.ts`
 * elsewhere, so a browser bundle contains neither node:crypto nor a .wasm file it did not ask for.
 */
import type { NativeCrypto } from "./native.ts";
import type { Secp256k1Module } from "./wasm-signature.ts";

/** Optional parts; each is `undefined` where the platform has none. */
export interface Platform {
  readonly native: NativeCrypto | undefined;
  readonly loadSecp256k1: (() => Promise<Secp256k1Module>) | undefined;
}
