/**
 * A sync Connection over a channel that two tabs share (docs/spec/3-sync.md §11). A sender has credit
 * for what the reader has room for; nothing else bounds a BroadcastChannel. Layer 5.
 */
import { type Connection, createFrameQueue, frameBytesMax, SyncError } from "@hawser/sync";
import { type PipeMessage, parsePipeMessage, toReason, wrapMessage } from "./message.ts";
import type { TabChannel } from "./types.ts";

/** Bytes on their way or unread, in one direction. */
export const windowBytes: number = 1024 * 1024;
/** Bytes of sends that wait for credit before the pipe ends with SYNC_SLOW. */
export const waitingBytesMax: number = 32 * 1024 * 1024;
/** What a frame costs beside its bytes: small frames take room too. */
const frameCostBytes = 64;
/** Credit is given back in portions; with it and one more frame missing, any frame still fits. */
const creditPortionBytes: number = windowBytes / 4;

/** One end of a pipe, and what its owner may do to it. */
export interface Pipe {
  readonly connection: Connection;
  /** Resolves to true when the other end accepted, to false when the pipe ended before. */
  readonly opened: Promise<boolean>;
  /** Resolves when it is closed, from whichever side. */
  readonly closed: Promise<void>;
  /** Tells the other end that this one is there. */
  accept(): void;
  /** The other tab is gone. */
  lose(): void;
}

interface WaitingFrame {
  readonly frame: Uint8Array;
  readonly done: PromiseWithResolvers<void>;
}

/** Listens on the channel, and closes it when the pipe ends. */
export function createPipe(channel: TabChannel, name: string): Pipe {
  const received = createReceived((bytes) => post({ kind: "credit", bytes }));
  const opened = Promise.withResolvers<boolean>();
  const closed = Promise.withResolvers<void>();
  let waiting: WaitingFrame[] = [];
  let waitingBytes = 0;
  let credit = windowBytes;
  let isOpen = true;

  const post = (message: PipeMessage): void => {
    if (isOpen) channel.post(wrapMessage(name, message));
  };
  const end = (): void => {
    if (!isOpen) return;
    isOpen = false;
    channel.close();
    for (const { done } of waiting) done.reject(lost());
    waiting = [];
    received.end();
    opened.resolve(false);
    closed.resolve();
  };
  const close = (reason: string): void => {
    post({ kind: "close", reason: toReason(reason) });
    end();
  };
  const postFrame = (frame: Uint8Array): void => {
    credit -= costOf(frame);
    // A view would take all of the buffer it lies in along.
    post({ kind: "frame", bytes: frame.slice() });
  };
  const sendWaiting = (): void => {
    let count = 0;
    for (const { frame, done } of waiting) {
      if (costOf(frame) > credit) break;
      postFrame(frame);
      waitingBytes -= costOf(frame);
      done.resolve();
      count += 1;
    }
    waiting.splice(0, count);
  };
  const onMessage = (value: unknown): void => {
    const message = parsePipeMessage(value, name);
    if (!isOpen) return;
    switch (message?.kind) {
      case undefined:
        return close("SYNC_BAD_MESSAGE");
      case "accept":
        return opened.resolve(true);
      case "frame":
        return received.push(message.bytes) ? undefined : close("SYNC_CREDIT");
      case "credit":
        credit += message.bytes;
        return credit > windowBytes ? close("SYNC_BAD_MESSAGE") : sendWaiting();
      case "close":
        return end();
    }
  };
  channel.listen(onMessage);

  const send = async (frame: Uint8Array): Promise<void> => {
    if (frame.length > frameBytesMax) {
      throw new SyncError("SYNC_FRAME_TOO_LARGE", `a frame of ${frame.length} bytes`);
    }
    if (!isOpen) throw lost();
    if (waiting.length === 0 && costOf(frame) <= credit) return postFrame(frame);
    waitingBytes += costOf(frame);
    if (waitingBytes > waitingBytesMax) {
      close("SYNC_SLOW");
      throw lost();
    }
    const done = Promise.withResolvers<void>();
    waiting.push({ frame, done });
    await done.promise;
  };
  return {
    connection: { send, frames: received.frames, close: (reason = "SYNC_DONE") => close(reason) },
    opened: opened.promise,
    closed: closed.promise,
    accept: () => {
      post({ kind: "accept" });
      opened.resolve(true);
    },
    lose: end,
  };
}

function costOf(frame: Uint8Array): number {
  return frame.length + frameCostBytes;
}

function lost(): SyncError {
  return new SyncError("SYNC_CONNECTION_LOST", "the pipe to the other tab is closed");
}

/** Frames that were received and not yet read. */
interface Received {
  /** False when the sender had no credit for it. */
  push(frame: Uint8Array): boolean;
  /** No more will come; what is here can still be read. */
  end(): void;
  readonly frames: AsyncIterable<Uint8Array>;
}

function createReceived(giveCredit: (bytes: number) => void): Received {
  // What the sender counts as used: unread, and read without credit given back.
  let usedBytes = 0;
  let readBytes = 0;
  const { push, end, frames } = createFrameQueue((frame) => {
    readBytes += costOf(frame);
    if (readBytes < creditPortionBytes) return;
    usedBytes -= readBytes;
    giveCredit(readBytes);
    readBytes = 0;
  });
  return {
    push: (frame) => {
      usedBytes += costOf(frame);
      if (usedBytes > windowBytes) return false;
      push(frame);
      return true;
    },
    end,
    frames,
  };
}
