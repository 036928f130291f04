/**
 * The reading half of a connection, for transports (docs/spec/3-sync.md §11). Layer 4, pure.
 */
import { SyncError } from "./errors.ts";

/** Frames that were received and not yet read. */
export interface FrameQueue {
  /** Does nothing after the end. */
  push(frame: Uint8Array): void;
  /** No more will come; what is here can still be read. Idempotent. */
  end(): void;
  /** Bytes of the frames that are here. */
  byteCount(): number;
  /** For `Connection.frames`. Throws SYNC_CONNECTION_LOST when iterated a second time. */
  readonly frames: AsyncIterable<Uint8Array>;
}

/** Calls `onRead` with each frame that its reader takes: there is room for others then. */
export function createFrameQueue(onRead: (frame: Uint8Array) => void): FrameQueue {
  const queue: Uint8Array[] = [];
  let first = 0;
  let byteCount = 0;
  let isEnded = false;
  let isTaken = false;
  let wakeReader = (): void => {};

  const take = (): Uint8Array | undefined => {
    const frame = queue[first];
    if (frame === undefined) return undefined;
    first += 1;
    byteCount -= frame.length;
    // Taken from the front one by one, an array would be moved for each of many frames.
    if (first * 2 > queue.length) {
      queue.splice(0, first);
      first = 0;
    }
    return frame;
  };
  async function* read(): AsyncGenerator<Uint8Array> {
    if (isTaken) throw new SyncError("SYNC_CONNECTION_LOST", "frames can be iterated once");
    isTaken = true;
    for (;;) {
      const frame = take();
      if (frame !== undefined) {
        onRead(frame);
        yield frame;
      } else if (isEnded) {
        return;
      } else {
        await new Promise<void>((wake) => {
          wakeReader = wake;
        });
      }
    }
  }
  return {
    push: (frame) => {
      if (isEnded) return;
      queue.push(frame);
      byteCount += frame.length;
      wakeReader();
    },
    end: () => {
      isEnded = true;
      wakeReader();
    },
    byteCount: () => byteCount,
    frames: { [Symbol.asyncIterator]: () => read() },
  };
}
