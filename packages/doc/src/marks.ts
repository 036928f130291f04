/**
 * Marks: the place of a change in the total order (docs/spec/doc.md §3). Layer 7.
 */
import type { Brand } from "@hawser/codec";
import type { ViewEvent } from "@hawser/view";
import { bytesToLatin, latinToBytes } from "./json.ts";

/** One character a byte: stamp u56, entry hash, index u32. The order of texts is the total order. */
export type Mark = string & Brand<"Mark">;

/** Bytes of a mark. */
export const markBytes = 43;

/** Gives the marks of the changes of one event, by index. */
export function marksOf(event: Pick<ViewEvent, "stamp" | "hash">): (index: number) => Mark {
  const head = new Uint8Array(39);
  const view = new DataView(head.buffer);
  view.setUint32(0, Math.floor(event.stamp / 2 ** 24));
  head.set([(event.stamp >>> 16) & 0xff, (event.stamp >>> 8) & 0xff, event.stamp & 0xff], 4);
  head.set(event.hash.subarray(0, 32), 7);
  const prefix = bytesToLatin(head);
  return (index) => markOf(prefix, index);
}

/** Characters of a mark before its index: what all marks of one event have in common. */
export const markHeadLength: number = markBytes - 4;

/** The place of a change in its event. */
export function markIndex(mark: Mark): number {
  let index = 0;
  for (let at = markHeadLength; at < markBytes; at++) index = index * 256 + mark.charCodeAt(at);
  return index;
}

/** The mark of the same event `count` places further on; none may be beyond 2^32. */
export function markAfter(mark: Mark, count: number): Mark {
  return markOf(mark.slice(0, markHeadLength), markIndex(mark) + count);
}

function markOf(head: string, index: number): Mark {
  const tail = String.fromCharCode(
    (index >>> 24) & 0xff,
    (index >>> 16) & 0xff,
    (index >>> 8) & 0xff,
    index & 0xff,
  );
  // Safe: 39 + 4 characters, one a byte.
  return `${head}${tail}` as Mark;
}

/** A mark as it is written. */
export function markToBytes(mark: Mark): Uint8Array {
  return latinToBytes(mark);
}

/** The mark, or `undefined` for anything else. */
export function markFromBytes(bytes: unknown): Mark | undefined {
  if (!(bytes instanceof Uint8Array) || bytes.length !== markBytes) return undefined;
  // Safe: the length was checked.
  return bytesToLatin(bytes) as Mark;
}
