/**
 * Places: the bytes that tie a ciphertext to where it stands, so that it cannot be moved
 * (docs/spec/6-space.md §3). Layer 5.
 */
import type { AuthorId } from "@hawser/crypto";
import { concatBytes, fromHex } from "@hawser/codec";
import type { LogId, Topic } from "@hawser/log";

/** Where an entry stands. */
export interface Place {
  readonly topic: Topic;
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly seq: number;
  /** The encoding, when `placesIn` made the place: hot paths need it more than once. */
  readonly encoded?: Uint8Array;
}

/** Bytes of an encoded place. */
export const placeBytes = 104;
const prefixBytes = 96;

/** Places of one log, with their common bytes made once. */
export function placesIn(topic: Topic, logId: LogId, author: AuthorId): (seq: number) => Place {
  const prefix = concatBytes(hexBytes(topic), hexBytes(logId), hexBytes(author));
  return (seq) => ({ topic, logId, author, seq, encoded: encodeAfter(prefix, seq) });
}

/** topic(32) ‖ log id(32) ‖ author(32) ‖ seq u64. */
export function encodePlace(place: Place): Uint8Array {
  if (place.encoded !== undefined) return place.encoded;
  const { topic, logId, author, seq } = place;
  return encodeAfter(concatBytes(hexBytes(topic), hexBytes(logId), hexBytes(author)), seq);
}

function encodeAfter(prefix: Uint8Array, seq: number): Uint8Array {
  const bytes = new Uint8Array(placeBytes);
  bytes.set(prefix);
  let rest = seq;
  for (let index = placeBytes - 1; rest > 0 && index >= prefixBytes; index--) {
    bytes[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** Place, then anything else that must not change with it. */
export function associatedData(place: Place, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(encodePlace(place), ...parts);
}

/** Bytes of an id that is known to be hex. */
export function hexBytes(id: string): Uint8Array {
  return fromHex(id) ?? new Uint8Array(0);
}
