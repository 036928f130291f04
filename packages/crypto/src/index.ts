export type { AuthorId, BackEnd, Crypto, HashStream, HpkeMessage, Random } from "./types.ts";
