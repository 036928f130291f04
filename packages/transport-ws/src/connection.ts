/**
 * A sync Connection over an open socket (docs/spec/3-sync.md §11): one binary message is one frame.
 * Layer 5.
 */
import {
  type Connection,
  createFrameQueue,
  type FrameQueue,
  frameBytesMax,
  SyncError,
} from "@hawser/sync";
import type { Socket } from "./socket.ts";

/** Bytes in the socket's buffer above which `send` waits. */
export const sendBufferBytesMax: number = 1024 * 1024;
/** Bytes received and not yet read above which the socket is paused. */
export const receiveBufferBytesMax: number = 1024 * 1024;
/** A reason fits a close frame. */
const reasonCharactersMax = 100;

/** WebSocket close codes (RFC 6455 §7.4.1; 4000 is for applications). */
const closeCodes = { normal: 1000, badData: 1003, tooBig: 1009, application: 4000 } as const;

/** Wraps an open socket; the caller gives it away. */
export function createConnection(socket: Socket): Connection {
  const received = createReceived(socket);
  const waiting: (() => void)[] = [];
  let isOpen = true;

  const wakeSenders = (): void => {
    for (const resume of waiting.splice(0)) resume();
  };
  const lost = (): SyncError => new SyncError("SYNC_CONNECTION_LOST", "the WebSocket is closed");
  const shut = (): void => {
    isOpen = false;
    wakeSenders();
    received.end();
  };
  const close = (code: number, reason: string): void => {
    if (!isOpen) return;
    shut();
    // A paused socket would not see the other side's close frame.
    socket.resume();
    socket.close(code, reason.slice(0, reasonCharactersMax));
  };
  socket.listen({
    onFrame: (frame) => {
      if (!isOpen) return;
      if (frame.length > frameBytesMax) return close(closeCodes.tooBig, "SYNC_BAD_MESSAGE");
      received.push(frame);
    },
    onText: () => close(closeCodes.badData, "SYNC_BAD_MESSAGE"),
    onClose: shut,
    onDrain: wakeSenders,
  });
  return {
    send: async (frame) => {
      if (frame.length > frameBytesMax) {
        throw new SyncError("SYNC_FRAME_TOO_LARGE", `a frame of ${frame.length} bytes`);
      }
      if (!isOpen) throw lost();
      socket.send(frame);
      if (!isOpen) throw lost();
      while (socket.bufferedBytes() > sendBufferBytesMax) {
        await new Promise<void>((resume) => {
          waiting.push(resume);
        });
        if (!isOpen) throw lost();
      }
    },
    frames: received.frames,
    close: (reason = "SYNC_DONE") =>
      close(reason === "SYNC_DONE" ? closeCodes.normal : closeCodes.application, reason),
  };
}

/** Pauses the socket while its reader is behind. */
function createReceived(socket: Pick<Socket, "pause" | "resume">): FrameQueue {
  let isPaused = false;
  const queue = createFrameQueue(() => {
    if (!isPaused || queue.byteCount() > receiveBufferBytesMax / 2) return;
    isPaused = false;
    socket.resume();
  });
  return {
    ...queue,
    push: (frame) => {
      queue.push(frame);
      if (isPaused || queue.byteCount() <= receiveBufferBytesMax) return;
      isPaused = true;
      socket.pause();
    },
  };
}
