/**
 * Places: the bytes that tie a ciphertext to where it stands, so that it cannot be moved
 * (docs/spec/6-space.md §3). Layer 5.
 */
import type { AuthorId } from "@hawser/crypto";
import { concatBytes, createByteWriter, fromHex } from "@hawser/codec";
import type { LogId, Topic } from "@hawser/log";

/** Where an entry stands. */
export interface Place {
  readonly topic: Topic;
  readonly logId: LogId;
  readonly author: AuthorId;
  readonly seq: number;
}

/** topic(32) ‖ log id(32) ‖ author(32) ‖ seq u64. */
export function encodePlace(place: Place): Uint8Array {
  const writer = createByteWriter(104);
  writer.bytes(hexBytes(place.topic));
  writer.bytes(hexBytes(place.logId));
  writer.bytes(hexBytes(place.author));
  writer.u64(place.seq);
  return writer.finish();
}

/** Place, then anything else that must not change with it. */
export function associatedData(place: Place, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(encodePlace(place), ...parts);
}

/** Bytes of an id that is known to be hex. */
export function hexBytes(id: string): Uint8Array {
  return fromHex(id) ?? new Uint8Array(0);
}
