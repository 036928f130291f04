/** Reading ahead: records that follow each other cost one read for many. Layer 4, a leaf. */
import type { StoreFile } from "./files.ts";

export interface ReadWindow {
  /**
   * `count` bytes from `offset` on, a view that stays as it is; `undefined` when the file does not
   * hold them. What lies behind the last read is read with some more.
   */
  get(file: StoreFile, offset: number, count: number): Uint8Array | undefined;
}

const empty = new Uint8Array(0);

export function createReadWindow(aheadBytes: number = 64 * 1024): ReadWindow {
  let held: StoreFile | undefined;
  let start = 0;
  let bytes: Uint8Array = empty;
  return {
    get: (file, offset, count) => {
      const isNear =
        file === held && offset >= start && offset <= start + bytes.length + aheadBytes;
      if (isNear && offset + count <= start + bytes.length) {
        return bytes.subarray(offset - start, offset - start + count);
      }
      const buffer = new Uint8Array(
        isNear ? Math.max(count, Math.min(aheadBytes, file.size() - offset)) : count,
      );
      const got = file.read(buffer, offset);
      if (got < count) return undefined;
      held = file;
      start = offset;
      bytes = buffer.subarray(0, got);
      return bytes.subarray(0, count);
    },
  };
}
