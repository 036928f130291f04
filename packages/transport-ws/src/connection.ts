/**
 * A sync Connection over an open socket (docs/spec/3-sync.md §11): one binary message is one frame.
 * Layer 5.
 */
import { type Connection, frameBytesMax, SyncError } from "@hawser/sync";
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

/** Frames that were received and not yet read. */
interface Received {
  push(frame: Uint8Array): void;
  /** No more will come; what is here can still be read. */
  end(): void;
  readonly frames: AsyncIterable<Uint8Array>;
}

/** A queue that pauses the socket while its reader is behind. */
function createReceived(socket: Pick<Socket, "pause" | "resume">): Received {
  const queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let isEnded = false;
  let isPaused = false;
  let isTaken = false;
  let wakeReader = (): void => {};

  const took = (frame: Uint8Array): void => {
    queuedBytes -= frame.length;
    if (!isPaused || queuedBytes > receiveBufferBytesMax / 2) return;
    isPaused = false;
    socket.resume();
  };
  async function* read(): AsyncGenerator<Uint8Array> {
    if (isTaken) throw new SyncError("SYNC_CONNECTION_LOST", "frames can be iterated once");
    isTaken = true;
    for (;;) {
      const frame = queue.shift();
      if (frame !== undefined) {
        took(frame);
        yield frame;
      } else if (isEnded) {
        return;
      } else {
        await new Promise<void>((resume) => {
          wakeReader = resume;
        });
      }
    }
  }
  return {
    push: (frame) => {
      queue.push(frame);
      queuedBytes += frame.length;
      if (queuedBytes > receiveBufferBytesMax && !isPaused) {
        isPaused = true;
        socket.pause();
      }
      wakeReader();
    },
    end: () => {
      isEnded = true;
      wakeReader();
    },
    frames: { [Symbol.asyncIterator]: () => read() },
  };
}
