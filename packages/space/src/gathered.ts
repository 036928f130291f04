/** Ranges for files: archives and bundles write few large records instead of many small ones. */
import { joinRanges, type EncodedRange } from "@hawser/log";

/** Bytes that a record is worth. */
const rangeBytesGoal: number = 256 * 1024;

/** Consecutive ranges of one log, joined until they are worth a record. */
export async function* gathered(
  ranges: AsyncIterable<EncodedRange>,
): AsyncGenerator<EncodedRange, void, undefined> {
  let waiting: EncodedRange[] = [];
  let byteCount = 0;
  for await (const range of ranges) {
    if (byteCount > 0 && byteCount + range.bytes.length > rangeBytesGoal) {
      yield joinRanges(waiting);
      [waiting, byteCount] = [[], 0];
    }
    waiting.push(range);
    byteCount += range.bytes.length;
  }
  if (waiting.length > 0) yield joinRanges(waiting);
}
