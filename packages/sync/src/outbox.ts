/**
 * Frames on their way to a connection (docs/spec/3-sync.md §7). Layer 4.
 */
import { SyncError } from "./errors.ts";
import { frameBytesMax } from "./limits.ts";
import type { SyncEvent } from "./machine-types.ts";
import type { Connection, Timers } from "./types.ts";

export interface Outbox {
  push(frame: Uint8Array): void;
  /** Sends the last frame still, closes the connection, then calls `done`. */
  end(code: string, done: () => void): void;
}

/** How long a farewell may take before the connection is closed over it. */
const farewellMsMax = 1_000;

/** Sends frames one after another; tells the machine as the connection takes them. */
export function createOutbox(
  deps: { readonly connection: Connection; readonly timers: Timers },
  dispatch: (event: SyncEvent) => void,
): Outbox {
  const frames: Uint8Array[] = [];
  let isSending = false;
  let ending: { readonly code: string; readonly done: () => void } | undefined;
  let stopTimer = (): void => {};

  const finish = (): void => {
    const end = ending;
    if (end === undefined) return;
    ending = undefined;
    stopTimer();
    deps.connection.close(end.code);
    end.done();
  };
  const sendAll = async (): Promise<void> => {
    try {
      for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
        await deps.connection.send(frame);
        dispatch({ type: "sent", byteCount: frame.length });
      }
    } catch (cause) {
      frames.length = 0;
      dispatch({ type: "disconnected", cause });
    }
    isSending = false;
    finish();
  };
  return {
    push: (frame) => {
      if (frame.length > frameBytesMax) {
        throw new SyncError("SYNC_FRAME_TOO_LARGE", "a frame is over 256 KiB");
      }
      frames.push(frame);
      if (isSending) return;
      isSending = true;
      void sendAll();
    },
    end: (code, done) => {
      ending = { code, done };
      // Of what still waits, only the farewell is worth sending.
      frames.splice(0, frames.length - 1);
      if (!isSending) return finish();
      stopTimer = deps.timers.after(farewellMsMax, finish);
    },
  };
}
