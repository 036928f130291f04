export type { Brand } from "./bytes.ts";
export type { CborValue } from "./cbor.ts";
export type { ByteReader, ByteWriter } from "./writer.ts";
export {
  compareBytes,
  concatBytes,
  equalBytes,
  equalSecrets,
  fromBase64url,
  fromHex,
  fromUtf8,
  toBase64url,
  toHex,
  utf8,
} from "./bytes.ts";
export { cborDepthMax, decodeCbor, encodeCbor, sortedByBytes } from "./cbor.ts";
export { createByteReader, createByteWriter } from "./writer.ts";
