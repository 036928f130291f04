/**
 * A sync Connection over an open data channel (docs/spec/transport-webrtc.md §6). Frames are split
 * into what a channel carries; a sender has credit for what the reader has room for, since nothing
 * can stop a channel from receiving. Layer 5.
 */
import { concatBytes, utf8 } from "@hawser/codec";
import { createFrameQueue, frameBytesMax, SyncError } from "@hawser/sync";
import type { Connection, Timers } from "@hawser/sync";
import type { RtcChannel } from "./types.ts";

/** Bytes on their way or unread, in one direction. */
export const windowBytes: number = 1024 * 1024;
/** Bytes of sends that wait for credit before the connection ends with SYNC_SLOW. */
export const waitingBytesMax: number = 32 * 1024 * 1024;
/** What a frame costs beside its bytes: small frames take room too. */
export const frameCostBytes = 64;
/** Bytes of the longest message, its kind included; every implementation takes these. */
export const messageBytesMax = 16_384;
/** Bytes that every part of a frame but the last has at least: a frame is no heap of crumbs. */
export const partBytesMin = 512;
/** Bytes in the channel's buffer above which frames wait here. */
const bufferedBytesMax: number = 256 * 1024;
const creditPortionBytes: number = windowBytes / 4;
const reasonCharactersMax = 32;
/** How long the other side may take to hear of our close. */
const lingerMs = 5_000;
/** A buffer that does not empty would hold a sender for ever where the event is missed. */
const drainPollMs = 50;

/** First byte of a message. */
const kinds = { part: 0, last: 1, credit: 2, close: 3 } as const;

export interface PipeParts {
  readonly channel: RtcChannel;
  readonly timers: Timers;
  readonly channelBinding: Uint8Array;
  /** Bytes of the longest message that the other side takes. */
  readonly messageBytes: number;
  /** Ends what lies under the channel. */
  release(): void;
}

/** One end of a connection, and what its owner may do to it. */
export interface Pipe {
  readonly connection: Connection;
  /** Resolves when it is closed, from whichever side. */
  readonly closed: Promise<void>;
  /** The path to the other side is gone. */
  lose(): void;
}

interface WaitingFrame {
  readonly frame: Uint8Array;
  readonly done: PromiseWithResolvers<void>;
}

/** Takes over a channel that is open. */
export function createPipe(parts: PipeParts): Pipe {
  const { channel, timers } = parts;
  const partBytes = Math.min(messageBytesMax, parts.messageBytes) - 1;
  const received = createReceived((bytes) => post(creditMessage(bytes)));
  const closed = Promise.withResolvers<void>();
  const waiting = createWaiting();
  let credit = windowBytes;
  let isOpen = true;
  let isReleased = false;

  const post = (message: Uint8Array<ArrayBuffer>): void => {
    if (isReleased || channel.readyState !== "open") return end();
    try {
      channel.send(message);
    } catch {
      // The channel closed under us, or its buffer is full, which credit rules out: both end it.
      end();
    }
  };
  const release = (): void => {
    if (isReleased) return;
    isReleased = true;
    parts.release();
  };
  const stop = (): void => {
    isOpen = false;
    waiting.reject();
    received.end();
    closed.resolve();
  };
  const end = (): void => {
    if (isOpen) stop();
    release();
  };
  const close = (reason: string): void => {
    if (!isOpen) return;
    post(closeMessage(reason));
    if (!isOpen) return;
    stop();
    // The other side closes the channel when it has read so far; nobody waits for it for ever.
    timers.after(lingerMs, release);
  };
  const isDrained = (): boolean => channel.bufferedAmount <= bufferedBytesMax;
  const postFrame = (frame: Uint8Array): void => {
    credit -= frame.length + frameCostBytes;
    for (const message of splitFrame(frame, partBytes)) post(message);
  };
  const sendWaiting = (): void => {
    for (;;) {
      const next = waiting.peek();
      if (!isOpen || next === undefined || costOf(next.frame) > credit) return;
      if (!isDrained()) return watchBuffer();
      waiting.shift();
      postFrame(next.frame);
      next.done.resolve();
    }
  };
  let isWatching = false;
  const watchBuffer = (): void => {
    if (isWatching) return;
    isWatching = true;
    timers.after(drainPollMs, () => {
      isWatching = false;
      sendWaiting();
    });
  };
  const onBytes = (message: Uint8Array): void => {
    switch (message[0]) {
      case kinds.part:
      case kinds.last: {
        const verdict = received.push(message.subarray(1), message[0] === kinds.last);
        return verdict === "taken" ? undefined : close(verdict);
      }
      case kinds.credit:
        if (message.length !== 5) return close("SYNC_BAD_MESSAGE");
        credit += readCredit(message);
        return credit > windowBytes ? close("SYNC_BAD_MESSAGE") : sendWaiting();
      case kinds.close:
        return end();
      default:
        return close("SYNC_BAD_MESSAGE");
    }
  };
  channel.addEventListener("message", ({ data }) => {
    if (isOpen) {
      if (data instanceof ArrayBuffer) onBytes(new Uint8Array(data));
      else close("SYNC_BAD_MESSAGE");
    } else if (data instanceof ArrayBuffer && new Uint8Array(data)[0] === kinds.close) release();
  });
  channel.addEventListener("bufferedamountlow", sendWaiting);
  channel.addEventListener("close", end);
  channel.addEventListener("error", end);
  channel.bufferedAmountLowThreshold = bufferedBytesMax / 2;

  const send = async (frame: Uint8Array): Promise<void> => {
    if (frame.length > frameBytesMax) {
      throw new SyncError("SYNC_FRAME_TOO_LARGE", `a frame of ${frame.length} bytes`);
    }
    if (!isOpen) throw lost();
    if (waiting.isEmpty() && costOf(frame) <= credit && isDrained()) {
      postFrame(frame);
      if (!isOpen) throw lost();
      return;
    }
    if (!waiting.fits(frame)) {
      close("SYNC_SLOW");
      throw lost();
    }
    const done = waiting.add(frame);
    sendWaiting();
    await done;
  };
  const { channelBinding } = parts;
  const { frames } = received;
  return {
    connection: { send, frames, channelBinding, close: (reason = "SYNC_DONE") => close(reason) },
    closed: closed.promise,
    lose: end,
  };
}

function costOf(frame: Uint8Array): number {
  return frame.length + frameCostBytes;
}

function lost(): SyncError {
  return new SyncError("SYNC_CONNECTION_LOST", "the direct connection is closed");
}

function* splitFrame(frame: Uint8Array, partBytes: number): Generator<Uint8Array<ArrayBuffer>> {
  let start = 0;
  do {
    const part = frame.subarray(start, start + partBytes);
    start += part.length;
    const message = new Uint8Array(1 + part.length);
    message[0] = start === frame.length ? kinds.last : kinds.part;
    message.set(part, 1);
    yield message;
  } while (start < frame.length);
}

function creditMessage(bytes: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(5);
  message[0] = kinds.credit;
  new DataView(message.buffer).setUint32(1, bytes);
  return message;
}

function readCredit(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(1);
}

function closeMessage(reason: string): Uint8Array<ArrayBuffer> {
  const text = reason.toUpperCase().replace(/[^A-Z0-9_]/g, "_");
  const code = text.slice(0, reasonCharactersMax);
  return concatBytes(Uint8Array.of(kinds.close), utf8(code)).slice();
}

/** Frames that wait for credit. */
interface Waiting {
  isEmpty(): boolean;
  fits(frame: Uint8Array): boolean;
  add(frame: Uint8Array): Promise<void>;
  peek(): WaitingFrame | undefined;
  shift(): void;
  reject(): void;
}

function createWaiting(): Waiting {
  let queue: WaitingFrame[] = [];
  let first = 0;
  let bytes = 0;
  return {
    isEmpty: () => first === queue.length,
    fits: (frame) => bytes + costOf(frame) <= waitingBytesMax,
    add: (frame) => {
      const done = Promise.withResolvers<void>();
      queue.push({ frame, done });
      bytes += costOf(frame);
      return done.promise;
    },
    peek: () => queue[first],
    shift: () => {
      const next = queue[first];
      if (next === undefined) return;
      bytes -= costOf(next.frame);
      first += 1;
      // Taken from the front at once, an array would be moved for each of many frames.
      if (first < 64 && first < queue.length) return;
      queue = queue.slice(first);
      first = 0;
    },
    reject: () => {
      for (const { done } of queue.slice(first)) done.reject(lost());
      queue = [];
      first = 0;
      bytes = 0;
    },
  };
}

type PushVerdict = "taken" | "SYNC_BAD_MESSAGE" | "SYNC_CREDIT";

/** Frames that were received and not yet read, and the one that is being put together. */
interface Received {
  push(part: Uint8Array, isLast: boolean): PushVerdict;
  /** No more will come; whole frames that are here can still be read. */
  end(): void;
  readonly frames: AsyncIterable<Uint8Array>;
}

function createReceived(giveCredit: (bytes: number) => void): Received {
  let parts: Uint8Array[] = [];
  let partBytes = 0;
  // What the sender counts as used: unread, and read without credit given back.
  let usedBytes = 0;
  let readBytes = 0;
  let isEnded = false;
  const queue = createFrameQueue((frame) => {
    readBytes += costOf(frame);
    if (readBytes < creditPortionBytes || isEnded) return;
    usedBytes -= readBytes;
    giveCredit(readBytes);
    readBytes = 0;
  });
  return {
    push: (part, isLast) => {
      if (part.length < partBytesMin && !isLast) return "SYNC_BAD_MESSAGE";
      partBytes += part.length;
      if (partBytes > frameBytesMax) return "SYNC_BAD_MESSAGE";
      if (usedBytes + partBytes + frameCostBytes > windowBytes) return "SYNC_CREDIT";
      parts.push(part);
      if (!isLast) return "taken";
      usedBytes += partBytes + frameCostBytes;
      queue.push(concatBytes(...parts));
      parts = [];
      partBytes = 0;
      return "taken";
    },
    end: () => {
      isEnded = true;
      parts = [];
      queue.end();
    },
    frames: queue.frames,
  };
}
