/**
 * Records in sealed chunks (docs/spec/archive.md §4): none can be changed, moved, left out or cut off
 * unnoticed, and those behind a damaged one are still found. Layer 5, internal.
 */
import { concatBytes, createByteWriter, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { SpaceError } from "../errors.ts";

/** Plaintext bytes of every chunk but the last. */
export const chunkBytes = 65_536;
/** Bytes in front of a chunk's payload: where its first record starts. */
const markBytes = 4;
const noRecord = 0xffff_ffff;
const tagBytes = 16;
const sealedBytes: number = chunkBytes + tagBytes;
const nonceBytes = 24;
const associated: Uint8Array = utf8("hawser archive chunk v1");
/** Bytes in front of a record: its size. */
const sizeBytes = 4;
/** Bytes of one record: the largest range, or fork proof, with what stands around it. */
export const recordBytesMax: number = 40 * 1024 * 1024;

function nonceOf(index: number, isLast: boolean): Uint8Array {
  const writer = createByteWriter(nonceBytes);
  writer.u64(index);
  const flagged = new Uint8Array(nonceBytes - 8);
  flagged[0] = isLast ? 1 : 0;
  writer.bytes(flagged);
  return writer.finish();
}

/** Turns records into sealed chunks; holds one chunk and one record. */
export async function* sealChunks(
  crypto: Crypto,
  fileKey: Uint8Array,
  records: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunk = new Uint8Array(chunkBytes);
  let used = markBytes;
  let first = noRecord;
  let index = 0;
  const seal = (isLast: boolean): Uint8Array => {
    new DataView(chunk.buffer).setUint32(0, first);
    const sealed = crypto.seal(fileKey, nonceOf(index, isLast), chunk.slice(0, used), associated);
    index += 1;
    used = markBytes;
    first = noRecord;
    return sealed;
  };
  for await (const record of records) {
    const writer = createByteWriter(record.length + sizeBytes);
    writer.u32(record.length);
    writer.bytes(record);
    const framed = writer.finish();
    for (let start = 0; start < framed.length;) {
      if (used === chunkBytes) yield seal(false);
      if (start === 0 && first === noRecord) first = used - markBytes;
      const part = framed.subarray(start, start + chunkBytes - used);
      chunk.set(part, used);
      used += part.length;
      start += part.length;
    }
  }
  yield seal(true);
}

/** What is read of an archive. */
export type ArchivePart =
  | { readonly kind: "record"; readonly record: Uint8Array }
  /** Bytes [from, to) of the file do not open, or are missing; a record may be lost with them. */
  | { readonly kind: "damage"; readonly damage: ArchiveDamage };

/** Bytes of the file that are not what was written. */
export interface ArchiveDamage {
  /** Offsets in the file. `to` is where the file ends when its end is missing. */
  readonly from: number;
  readonly to: number;
  readonly reason: "damaged" | "truncated";
}

/** A source of bytes that is read in pieces of a wanted size. */
export interface ByteSource {
  /** So many bytes, fewer at the end. */
  take(count: number): Promise<Uint8Array>;
  readonly offset: number;
  /** Whether nothing follows. */
  ended(): Promise<boolean>;
}

/** Reads a stream of pieces of any size. */
export function createByteSource(pieces: AsyncIterator<Uint8Array>): ByteSource {
  let waiting: Uint8Array[] = [];
  let held = 0;
  let offset = 0;
  let isOver = false;
  const fill = async (count: number): Promise<void> => {
    while (held < count && !isOver) {
      const next = await pieces.next();
      if (next.done === true) isOver = true;
      else {
        waiting.push(next.value);
        held += next.value.length;
      }
    }
  };
  return {
    get offset() {
      return offset;
    },
    take: async (count) => {
      await fill(count);
      const all = concatBytes(...waiting);
      const taken = all.slice(0, count);
      const rest = all.slice(count);
      waiting = rest.length === 0 ? [] : [rest];
      held = rest.length;
      offset += taken.length;
      return taken;
    },
    ended: async () => {
      await fill(1);
      return held === 0;
    },
  };
}

/** Opens chunks one by one and hands on the records that are whole. */
export async function* openChunks(
  crypto: Crypto,
  fileKey: Uint8Array,
  source: ByteSource,
): AsyncGenerator<ArchivePart, void, undefined> {
  const assembler = createAssembler();
  for (let index = 0; ; index++) {
    const from = source.offset;
    const sealed = await source.take(sealedBytes);
    const isEnd = await source.ended();
    const to = source.offset;
    const last = isEnd ? crypto.open(fileKey, nonceOf(index, true), sealed, associated) : undefined;
    const plain = last ?? crypto.open(fileKey, nonceOf(index, false), sealed, associated);
    if (plain === undefined || plain.length < markBytes) {
      assembler.drop();
      yield { kind: "damage", damage: { from, to, reason: isEnd ? "truncated" : "damaged" } };
    } else {
      for (const record of assembler.take(plain)) yield { kind: "record", record };
    }
    if (!isEnd) continue;
    if (last === undefined && plain !== undefined) {
      yield { kind: "damage", damage: { from: to, to, reason: "truncated" } };
    }
    return;
  }
}

/** Puts records together that lie over several chunks. */
function createAssembler(): {
  take(plain: Uint8Array): Iterable<Uint8Array>;
  /** A chunk is lost: go on with the next record that begins. */
  drop(): void;
} {
  let parts: Uint8Array[] = [];
  let held = 0;
  let isLost = false;
  // Of the record that is being put together, its size field included.
  let needed = sizeBytes;
  const whole = (): Uint8Array => {
    const all = concatBytes(...parts);
    parts = [all];
    return all;
  };
  return {
    drop: () => {
      parts = [];
      held = 0;
      needed = sizeBytes;
      isLost = true;
    },
    *take(plain) {
      const first = new DataView(plain.buffer, plain.byteOffset).getUint32(0);
      if (isLost && first === noRecord) return;
      const payload = plain.subarray(isLost ? markBytes + first : markBytes);
      isLost = false;
      parts.push(payload);
      held += payload.length;
      while (held >= needed) {
        const all = whole();
        const size = sizeBytes + new DataView(all.buffer, all.byteOffset).getUint32(0);
        // Only whoever has the key can write that: it says that the file is not one of ours.
        if (size > recordBytesMax) throw malformed("a record is larger than any can be");
        needed = size;
        if (held < size) break;
        yield all.slice(sizeBytes, size);
        parts = [all.subarray(size)];
        held -= size;
        needed = sizeBytes;
      }
    },
  };
}

function malformed(message: string): SpaceError {
  return new SpaceError("SPACE_ARCHIVE_MALFORMED", message);
}
