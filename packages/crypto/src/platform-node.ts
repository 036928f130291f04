/** The platform of Node, Deno and Bun: node:crypto, and WASM files on disk. Layer 1, internal. */
import * as nodeCrypto from "node:crypto";
import type { Platform } from "./platform.ts";

/** OpenSSL's primitives, and tiny-secp256k1, which reads its .wasm file when it is imported. */
export const platform: Platform = {
  native: nodeCrypto,
  loadSecp256k1: () => import("tiny-secp256k1"),
};
