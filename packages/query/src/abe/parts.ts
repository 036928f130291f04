/**
 * Lists as one byte string. Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { joinBytes } from "./join.ts";
import type { AbeList } from "./types.ts";

/** The parts one after another, separators as the characters they are. */
export function abeBytes(list: AbeList): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (const { separator, bytes } of list) {
    if (separator !== undefined) chunks.push(utf8(separator));
    chunks.push(bytes);
  }
  return joinBytes(chunks);
}

/** The bytes of a list without separators, or `undefined` when it has some. */
export function plainBytes(list: AbeList): Uint8Array | undefined {
  const [only] = list;
  if (only === undefined) return new Uint8Array(0);
  return list.length === 1 && only.separator === undefined ? only.bytes : undefined;
}
