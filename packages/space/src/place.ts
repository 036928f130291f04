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
  /** The first 96 bytes of the encoding, when `placesIn` made the place; spares hex on hot paths. */
  readonly prefix?: Uint8Array;
}

const prefixBytes = 96;

/** Places of one log, with their common bytes made once. */
export function placesIn(topic: Topic, logId: LogId, author: AuthorId): (seq: number) => Place {
  const prefix = encodePrefix({ topic, logId, author });
  return (seq) => ({ topic, logId, author, seq, prefix });
}

/** topic(32) ‖ log id(32) ‖ author(32) ‖ seq u64. */
export function encodePlace(place: Place): Uint8Array {
  const bytes = new Uint8Array(prefixBytes + 8);
  bytes.set(place.prefix ?? encodePrefix(place));
  const view = new DataView(bytes.buffer);
  view.setUint32(prefixBytes, Math.floor(place.seq / 0x1_0000_0000));
  view.setUint32(prefixBytes + 4, place.seq >>> 0);
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

function encodePrefix(log: Pick<Place, "topic" | "logId" | "author">): Uint8Array {
  return concatBytes(hexBytes(log.topic), hexBytes(log.logId), hexBytes(log.author));
}
