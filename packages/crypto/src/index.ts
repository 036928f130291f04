export type { CryptoOptions } from "./create-crypto.ts";
export type { CryptoErrorCode } from "./errors.ts";
export type { AuthorId, BackEnd, Crypto, HashStream, HpkeMessage, Random } from "./types.ts";
export type { Secp256k1Module } from "./wasm-signature.ts";
export { createCrypto, createNobleCrypto } from "./create-crypto.ts";
export { CryptoError } from "./errors.ts";
