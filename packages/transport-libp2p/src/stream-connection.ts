/**
 * A sync Connection over a libp2p stream (docs/spec/transport-libp2p.md §2). Layer 5.
 */
import { createFrameQueue, frameBytesMax, SyncError } from "@hawser/sync";
import type { Connection, FrameQueue, Timers } from "@hawser/sync";
import type { Stream } from "@libp2p/interface";
import { createFrameDecoder, encodeFrame } from "./frames.ts";
import {
  closeMs,
  receiveBufferBytesMax,
  sendBufferBytesMax,
  streamWindowBytesMax,
} from "./limits.ts";

/** What a connection is made of. */
export interface StreamConnectionParts {
  readonly stream: Stream;
  readonly timers: Timers;
  readonly channelBinding: Uint8Array | undefined;
}

/** Wraps an open stream; the caller gives it away. */
export function createStreamConnection(parts: StreamConnectionParts): Connection {
  const { stream, timers, channelBinding } = parts;
  const decoder = createFrameDecoder();
  const received = createReceived(stream);
  const waiting: (() => void)[] = [];
  let isOpen = true;

  const wakeSenders = (): void => {
    for (const resume of waiting.splice(0)) resume();
  };
  const lost = (): SyncError => new SyncError("SYNC_CONNECTION_LOST", "the stream is closed");
  const shut = (): void => {
    isOpen = false;
    wakeSenders();
  };
  const close = (): void => {
    received.end();
    // A paused stream would not see the other side's end.
    resume(stream);
    if (!isOpen) return;
    shut();
    closeStream(stream, timers);
  };
  // A paused stream may hold what is left of the largest window; libp2p would reset it before.
  stream.maxReadBufferLength = Math.max(stream.maxReadBufferLength, streamWindowBytesMax);
  stream.addEventListener("message", ({ data }) => {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      const frames = decoder.push(chunk);
      if (frames === undefined) return stream.abort(new Error("a frame of no valid length"));
      for (const frame of frames) received.push(frame);
    }
  });
  const onEnd = (): void => {
    received.end();
    if (!isOpen) return;
    // What is closed on one side is closed on both.
    shut();
    closeStream(stream, timers);
  };
  const onClose = (): void => {
    shut();
    // What libp2p still holds can be read; "end" follows it.
    if (stream.readBufferLength === 0) received.end();
  };
  stream.addEventListener("end", onEnd);
  stream.addEventListener("close", onClose);
  stream.addEventListener("drain", wakeSenders);
  stream.addEventListener("idle", wakeSenders);
  // The peer may have been faster than whoever handed the stream over.
  if (isGone(stream)) onClose();
  else if (stream.readableEnded) onEnd();
  return {
    send: async (frame) => {
      if (frame.length > frameBytesMax) {
        throw new SyncError("SYNC_FRAME_TOO_LARGE", `a frame of ${frame.length} bytes`);
      }
      if (!isOpen) throw lost();
      sendOn(stream, encodeFrame(frame));
      while (stream.writeBufferLength > sendBufferBytesMax) {
        await new Promise<void>((resume) => {
          waiting.push(resume);
        });
        if (!isOpen) throw lost();
      }
    },
    frames: received.frames,
    close,
    ...(channelBinding === undefined ? {} : { channelBinding }),
  };
}

function sendOn(stream: Stream, bytes: Uint8Array): void {
  try {
    stream.send(bytes);
  } catch (cause) {
    throw new SyncError("SYNC_CONNECTION_LOST", "the stream takes no more", { cause });
  }
}

/** Closes our half once everything has left; ends the stream when that takes too long. */
function closeStream(stream: Stream, timers: Timers): void {
  const abort = (): void => stream.abort(new Error("the stream was not closed in time"));
  const stop = timers.after(closeMs, abort);
  stream.addEventListener("close", stop, { once: true });
  if (isGone(stream)) stop();
  stream.close().catch(abort);
}

function isGone({ status }: Stream): boolean {
  return status === "closed" || status === "aborted" || status === "reset";
}

/** Pauses the stream while its reader is behind. */
function createReceived(stream: Stream): FrameQueue {
  const queue = createFrameQueue(() => {
    if (queue.byteCount() <= receiveBufferBytesMax / 2) resume(stream);
  });
  return {
    ...queue,
    push: (frame) => {
      queue.push(frame);
      const isBehind = queue.byteCount() > receiveBufferBytesMax;
      if (isBehind && stream.readStatus === "readable") stream.pause();
    },
  };
}

/** Goes on reading a stream that was paused. */
function resume(stream: Stream): void {
  if (stream.readStatus !== "paused") return;
  try {
    stream.resume();
  } catch (cause) {
    // What was held has been handed out; only the window of a stream that is gone was not renewed.
    if (stream.status === "open") throw cause;
  }
}
