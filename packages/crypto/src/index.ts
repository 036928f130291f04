export type { Argon2Costs } from "./argon2.ts";
export type { CryptoOptions } from "./create-crypto.ts";
export type { EncKey, EncKeyCost, EncKeyReason, EncKeyVerdict } from "./enc-key.ts";
export type { CryptoErrorCode } from "./errors.ts";
export type {
  AuthorId,
  BackEnd,
  Crypto,
  HashStream,
  HpkeMessage,
  HybridHpke,
  Random,
} from "./types.ts";
export type { Secp256k1Module } from "./wasm-signature.ts";
export { argon2id } from "./argon2.ts";
export { createCrypto, createNobleCrypto } from "./create-crypto.ts";
export {
  decryptEncKey,
  encKeyCosts,
  encKeyReasonTexts,
  encryptEncKey,
  parseEncKey,
} from "./enc-key.ts";
export { CryptoError } from "./errors.ts";
