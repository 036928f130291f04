export type { CryptoErrorCode } from "./errors.ts";
export type { AuthorId, BackEnd, Crypto, HashStream, HpkeMessage, Random } from "./types.ts";
export { createNobleCrypto } from "./create-crypto.ts";
export { CryptoError } from "./errors.ts";
