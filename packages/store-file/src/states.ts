/**
 * Chain states in records: only what the state before does not say (docs/spec/store-file.md §5.1).
 * Layer 4; no I/O.
 */
import type { ByteReader, ByteWriter } from "@hawser/codec";
import { skipSeqs, type ChainState } from "@hawser/log";

const hashBytes = 32;

/**
 * Stamp varint ‖ hash of the last entry (32) ‖ hashes of the skips at or after `since`, but for the
 * last entry's. Context and height are known from elsewhere. The height is above 0.
 */
export function writeState(writer: ByteWriter, state: ChainState, since: number): void {
  writer.varint(state.stamp);
  if (state.hash !== undefined) writer.bytes(state.hash);
  for (const skip of state.skips) {
    if (skip.seq >= since && skip.seq < state.height - 1) writer.bytes(skip.hash);
  }
}

/** The state at `height` that `writeState` wrote, given the one at `since` = `before.height`. */
export function readState(
  reader: ByteReader,
  height: number,
  before: ChainState,
): ChainState | undefined {
  const stamp = reader.varint();
  const hash = reader.bytes(hashBytes).slice();
  const skips: { readonly seq: number; readonly hash: Uint8Array }[] = [];
  let known = 0;
  for (const seq of skipSeqs(height)) {
    if (seq === height - 1) {
      skips.push({ seq, hash });
    } else if (seq >= before.height) {
      skips.push({ seq, hash: reader.bytes(hashBytes).slice() });
    } else {
      while ((before.skips[known]?.seq ?? seq) < seq) known++;
      const skip = before.skips[known];
      if (skip?.seq !== seq) return undefined;
      skips.push(skip);
    }
  }
  if (reader.failed) return undefined;
  const { context, logId } = before;
  return { context, logId, height, hash, stamp, skips };
}

/** Reads over what `writeState` wrote. */
export function passState(reader: ByteReader, height: number, since: number): void {
  reader.varint();
  const hashes = skipSeqs(height).filter((seq) => seq >= since && seq < height - 1);
  reader.bytes(hashBytes * (1 + hashes.length));
}
