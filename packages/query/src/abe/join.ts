/**
 * Small operations on byte strings that evaluation and its functions share. Layer 3; pure.
 */

/** The chunks one after another; any number of them, unlike an argument list. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return only;
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Longer than the name of any function. */
const nameBytesMax = 64;

/** Bytes as the text that names are compared as: one character a byte. */
export function nameText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, nameBytesMax)) text += String.fromCharCode(byte);
  return text;
}

/** The bytes without the run of `pad` they begin with. */
export function withoutPrefix(bytes: Uint8Array, pad = 0): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== pad);
  return start < 0 ? bytes.subarray(bytes.length) : bytes.subarray(start);
}

/** Bytes of unsigned big-endian `value`, `size` of them. */
export function bigEndian(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = value;
  for (let index = size - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** Unsigned big-endian bytes as a number; 0 for none. */
export function fromBigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}
