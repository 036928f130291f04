/**
 * Staying in one room: joins, says hello, hands on what can be opened, and joins again after the
 * carrier went away. Layer 5.
 */
import type { Random } from "@hawser/crypto";
import type { Connection, Timers } from "@hawser/sync";
import type { Signalling } from "./types.ts";

export interface RoomDeps {
  readonly signalling: Signalling;
  readonly timers: Timers;
  readonly random: Random;
  /** Called when the room is joined and every so often: the place to say hello. */
  onHello(): void;
  /** One frame; false when it was none of this room's members. */
  onFrame(frame: Uint8Array): boolean;
}

/** One room while this device stays in it. */
export interface Room {
  /** Drops what cannot be sent now: a signal that comes late is worth nothing. */
  send(frame: Uint8Array): void;
  leave(): Promise<void>;
}

const helloMs = 30_000;
const pauseMsMin = 1_000;
const pauseMsMax = 60_000;
/** Frames that do not open before a carrier is left for a while. */
const strangeFramesMax = 256;
/** Frames on their way to the carrier; more are dropped. */
const sendingMax = 64;

/** Joins `name` at once and stays until `leave`. */
export function stayInRoom(deps: RoomDeps, name: Uint8Array): Room {
  const stop = new AbortController();
  let current: Connection | undefined;
  let sending = 0;
  let pauseMs = pauseMsMin;

  const send = (frame: Uint8Array): void => {
    if (current === undefined || sending >= sendingMax) return;
    sending += 1;
    const sent = (): void => {
      sending -= 1;
    };
    // The end of the connection is seen by its reader.
    current.send(frame).then(sent, sent);
  };
  const listen = async (connection: Connection): Promise<void> => {
    let strangeFrames = 0;
    for await (const frame of connection.frames) {
      if (stop.signal.aborted) return;
      if (deps.onFrame(frame)) pauseMs = pauseMsMin;
      else strangeFrames += 1;
      if (strangeFrames > strangeFramesMax) return;
    }
  };
  const stayOnce = async (): Promise<void> => {
    const connection = await deps.signalling.join(name, { signal: stop.signal });
    current = connection;
    const onStop = (): void => connection.close("SYNC_DONE");
    stop.signal.addEventListener("abort", onStop, { once: true });
    const stopHellos = every(deps.timers, helloMs, deps.onHello);
    try {
      if (stop.signal.aborted) return;
      deps.onHello();
      await listen(connection);
    } finally {
      current = undefined;
      stopHellos();
      stop.signal.removeEventListener("abort", onStop);
      connection.close("SYNC_DONE");
    }
  };
  const pause = async (): Promise<void> => {
    if (stop.signal.aborted) return;
    const [byte = 0] = deps.random(1);
    const done = Promise.withResolvers<void>();
    const cancel = deps.timers.after(pauseMs / 2 + (pauseMs * byte) / 512, done.resolve);
    const onStop = (): void => done.resolve();
    stop.signal.addEventListener("abort", onStop, { once: true });
    pauseMs = Math.min(pauseMs * 2, pauseMsMax);
    await done.promise;
    cancel();
    // A carrier may be away for days: each attempt would leave a listener.
    stop.signal.removeEventListener("abort", onStop);
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      // A carrier that is away is tried again; direct connections do not need it meanwhile.
      await stayOnce().catch(() => undefined);
      await pause();
    }
  };
  const running = run();
  return {
    send,
    leave: async () => {
      stop.abort();
      await running;
    },
  };
}

/** Calls back each `ms` until the returned function is called. */
function every(timers: Timers, ms: number, callback: () => void): () => void {
  let cancel = (): void => {};
  const next = (): void => {
    cancel = timers.after(ms, () => {
      callback();
      next();
    });
  };
  next();
  return () => cancel();
}
